"""Noise is a function of (seed, image, step), and of nothing else."""

import torch

from rhinoise.core.random import INITIAL, generator, noise, noise_source


def test_noise_does_not_depend_on_what_was_drawn_before():
    first = noise(3, 5, 7, (4, 2, 2))
    torch.manual_seed(1)
    torch.randn(100)
    assert torch.equal(noise(3, 5, 7, (4, 2, 2)), first)


def test_drawing_noise_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    noise(0, 0, 0, (3,))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seed_image_and_step_all_count():
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, INITIAL), (11, 0, 0), (1, 10, 0), (1, 1, 0)]
    drawn = {tuple(noise(*key, (4,)).tolist()) for key in keys}
    assert len(drawn) == len(keys)


def test_a_picture_has_the_same_noise_in_every_batch():
    alone = noise_source(9, [4], (3, 2, 2))
    among = noise_source(9, range(2, 6), (3, 2, 2))
    for step in (INITIAL, 0, 12):
        assert torch.equal(among(step)[2], alone(step)[0])


def test_it_is_gaussian():
    drawn = torch.stack([noise(0, image, 0, (64,)) for image in range(256)])
    assert abs(float(drawn.mean())) < 4 / drawn.numel() ** 0.5
    assert abs(float(drawn.var()) - 1) < 4 * (2 / drawn.numel()) ** 0.5
    between = drawn[:-1] * drawn[1:]
    assert abs(float(between.mean())) < 4 / between.numel() ** 0.5


def test_the_stream_is_pinned():
    """What was drawn with a seed stays drawn: changing this changes every picture that people made."""
    assert generator("noise", 0, 0, INITIAL).initial_seed() == 6417397150849760699
