"""The noise level: add_noise and noise_in are inverse, and nothing broadcasts by accident."""

import pytest
import torch

from rhinoise.diffusion.level import NoiseLevel
from rhinoise.diffusion.schedules import SCHEDULES


def latents(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("name", SCHEDULES)
def test_noise_in_is_the_inverse_of_add_noise(name):
    level = SCHEDULES[name]()(torch.tensor([0.1, 0.5, 1.0]))
    x0, eps = latents(3, 4, 5, 6), latents(3, 4, 5, 6).flip(0)
    torch.testing.assert_close(level.noise_in(level.add_noise(x0, eps), x0), eps, atol=1e-4, rtol=1e-4)


def test_each_picture_gets_its_own_level_when_batch_is_height_is_width():
    """A missing `1 1 1` would broadcast along the columns here, and no shape would complain."""
    level = SCHEDULES["flow"]()(torch.tensor([0.0, 0.5, 1.0]))
    x0, eps = torch.zeros(3, 3, 3, 3), torch.ones(3, 3, 3, 3)
    x = level.add_noise(x0, eps)
    for i, sigma in enumerate([0.0, 0.5, 1.0]):
        assert torch.equal(x[i], torch.full((3, 3, 3), sigma))


def test_a_level_of_one_serves_a_batch():
    level = SCHEDULES["cosine"]()(torch.tensor([0.3]))
    many = SCHEDULES["cosine"]()(torch.tensor([0.3] * 4))
    x0, eps = latents(4, 1, 2, 2), latents(4, 1, 2, 2).flip(0)
    assert torch.equal(level.add_noise(x0, eps), many.add_noise(x0, eps))


def test_a_level_without_its_axes_is_refused():
    with pytest.raises(Exception, match="alpha"):
        NoiseLevel(alpha=torch.ones(3), sigma=torch.ones(3, 1, 1, 1), time=torch.ones(3))


def test_the_words_for_a_level():
    clean, half, noise = (SCHEDULES["flow"]()(torch.tensor([t])) for t in (0.0, 0.5, 1.0))
    assert clean.is_clean
    assert not half.is_clean
    assert [float(level.log_snr) for level in (clean, half, noise)] == [torch.inf, 0, -torch.inf]
    assert [float(level.ratio) for level in (clean, half, noise)] == [0, 1, torch.inf]
    assert float(half.std) == pytest.approx(0.5**0.5)
    assert len(SCHEDULES["flow"]()(torch.rand(5))[1:3]) == 2
