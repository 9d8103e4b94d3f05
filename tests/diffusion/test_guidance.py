"""Guidance: Denoise -> Denoise functions, checked by what they must not change."""

import pytest
import torch

from rhinoise.core.errors import ConfigError
from rhinoise.diffusion.guidance import guided, inpainted
from rhinoise.diffusion.samplers import SAMPLERS
from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.diffusion.timesteps import levels

CAPTIONED, FREE = torch.randn(2, 3, 2, 3, 3, generator=torch.Generator().manual_seed(0))
FLOW = SCHEDULES["flow"]()


def at(*t):
    return FLOW(torch.tensor(t))


def both(x, level):
    return CAPTIONED, FREE


def alone(x, level):
    return CAPTIONED


def refused(x, level):
    raise AssertionError("this prediction was not needed")


@pytest.mark.parametrize(("scale", "wanted"), [(0.0, FREE), (2.0, 2 * CAPTIONED - FREE)])
def test_guidance_is_a_line_through_both_predictions(scale, wanted):
    torch.testing.assert_close(guided(both, refused, scale=scale)(CAPTIONED, at(0.5)), wanted)


def test_scale_1_needs_one_prediction():
    assert torch.equal(guided(refused, alone, scale=1.0)(CAPTIONED, at(0.5)), CAPTIONED)


@pytest.mark.parametrize(("t", "inside"), [(0.1, False), (0.2, True), (0.5, True), (0.8, True), (0.9, False)])
def test_guidance_only_in_its_interval(t, inside):
    # 0.2 and 0.8 as the levels have them: the ends belong to the interval.
    low, high = (float(at(end).sigma) for end in (0.2, 0.8))
    denoise = guided(both, alone, scale=3.0, interval=(low, high))
    assert torch.equal(denoise(CAPTIONED, at(t)), CAPTIONED) is not inside


def test_each_picture_of_a_batch_has_its_own_interval():
    x0 = guided(both, alone, scale=3.0, interval=(0.4, 0.6))(CAPTIONED, at(0.1, 0.5, 0.9))
    assert torch.equal(x0[[0, 2]], CAPTIONED[[0, 2]])
    assert not torch.allclose(x0[1], CAPTIONED[1])


def test_rescale_brings_back_the_contrast_of_the_captioned_prediction():
    full, half, none = (
        guided(both, refused, scale=5.0, rescale=rescale)(CAPTIONED, at(0.5)) for rescale in (1.0, 0.5, 0.0)
    )
    torch.testing.assert_close(full.std(dim=(1, 2, 3)), CAPTIONED.std(dim=(1, 2, 3)))
    torch.testing.assert_close(half, (full + none) / 2)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"interval": (0.6, 0.4)}, "0.6 to 0.4"),
        ({"interval": (0.0, 2.0)}, "0 to 2"),
        ({"rescale": 2.0}, "is 2"),
    ],
)
def test_guidance_that_makes_no_sense_is_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        guided(both, alone, scale=2.0, **settings)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_inpainting_keeps_what_is_outside_the_mask(name, schedule):
    original, x = CAPTIONED, FREE
    mask = torch.zeros(1, 1, 3, 3)
    mask[..., 0] = 1
    visited = levels(SCHEDULES[schedule](), 6)
    denoise = inpainted(lambda x, level: torch.tanh(x), original, mask)
    *_, step = SAMPLERS[name](
        denoise, visited[0].add_noise(original, x), visited, noise=lambda step: x.flip(0)
    )
    torch.testing.assert_close(step.x[..., 1:], original[..., 1:])
    assert not torch.allclose(step.x[..., 0], original[..., 0])
