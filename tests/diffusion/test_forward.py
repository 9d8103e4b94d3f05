"""The forward process: a thousand small steps are one big one, in distribution."""

import math
from itertools import pairwise

import pytest
import torch
from scipy import stats

from rhinoise.core.errors import ConfigError
from rhinoise.core.random import noise_source
from rhinoise.diffusion.forward import chain, correlation, every_level, forward_strip, marginal
from rhinoise.diffusion.schedules import SCHEDULES

DROWNING = {
    "flow": SCHEDULES["flow"](),
    "flow, shifted": SCHEDULES["flow"](shift=3.0),
    **{
        name: SCHEDULES[name](zero_terminal_snr=True)
        for name in ("linear", "scaled_linear", "cosine", "sigmoid")
    },
}
"""Schedules at whose end nothing is left."""


def gaussian(seed, *shape):
    random = torch.Generator().manual_seed(seed)
    return lambda step: torch.randn(shape, generator=random)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_chain_is_the_marginal(name):
    """Mean, variance and the whole distribution (Kolmogorov-Smirnov) after 50 and after 100 of 100 steps."""
    x0, n = torch.full((1, 1, 60, 60), 0.7), 3600
    levels = every_level(SCHEDULES[name](), 100)
    walked = list(chain(x0, levels, gaussian(0, *x0.shape)))
    for i in (50, 100):
        mean, std = 0.7 * float(levels[i].alpha), float(levels[i].sigma)
        assert float(walked[i].mean()) == pytest.approx(mean, abs=4 * std / n**0.5)
        assert float(walked[i].var()) == pytest.approx(std**2, rel=4 * (2 / n) ** 0.5)
        direct = marginal(SCHEDULES[name](), x0, torch.tensor([i / 100]), gaussian(1, *x0.shape)(0))
        assert stats.ks_2samp(walked[i].flatten().numpy(), direct.flatten().numpy()).pvalue > 1e-3


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_variances_of_the_steps_add_up_exactly(name):
    """Without sampling: what the steps keep and add, multiplied out, is what the level says."""
    kept, variance, levels = 1.0, 0.0, every_level(SCHEDULES[name](), 100)
    for (shrunk, noisier), level in zip(steps_of(levels), levels[1:], strict=True):
        kept, variance = kept * shrunk, variance * shrunk**2 + noisier**2
        assert kept == pytest.approx(float(level.alpha), abs=1e-5)
        assert variance == pytest.approx(float(level.sigma) ** 2, rel=1e-4, abs=1e-6)


def steps_of(levels):
    """How much each step keeps and adds, read off the chain itself."""
    zero, one = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    for pair in pairwise(levels):
        yield tuple(
            float(list(chain(x, pair, lambda step, eps=eps: eps))[1]) for x, eps in ((one, zero), (zero, one))
        )


@pytest.mark.parametrize("name", DROWNING)
def test_at_the_end_nothing_is_left(name):
    """The correlation with the original is within sampling error of 0, after a thousand single steps."""
    x0 = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 2 - 1
    last = forward_strip(x0, DROWNING[name], 2, gaussian(6, *x0.shape))[-1]
    assert last.t == 1
    assert last.snr_db == -math.inf
    assert abs(float(last.correlation)) < 4 / x0.numel() ** 0.5


def test_the_strip_shows_equal_times_and_falling_numbers():
    x0 = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1
    frames = forward_strip(x0, DROWNING["cosine"], 5, noise_source(7, [0, 1], (3, 16, 16)))
    assert [frame.t for frame in frames] == [0, 0.25, 0.5, 0.75, 1]
    assert torch.equal(frames[0].x, x0)
    assert frames[0].snr_db == math.inf
    torch.testing.assert_close(frames[0].correlation, torch.ones(2))
    snr, likeness = [frame.snr_db for frame in frames], torch.stack([frame.correlation for frame in frames])
    assert snr == sorted(snr, reverse=True)
    assert (likeness.diff(dim=0) < 0).all()


def test_half_noise_is_0_decibels():
    assert forward_strip(torch.ones(1, 1, 2, 2), DROWNING["flow"], 3, gaussian(0, 1, 1, 2, 2))[1].snr_db == 0


def test_correlation_is_that_of_scipy():
    x, y = torch.randn(2, 3, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    wanted = [
        stats.pearsonr(a.flatten().numpy(), b.flatten().numpy()).statistic for a, b in zip(x, y, strict=True)
    ]
    torch.testing.assert_close(correlation(x, y), torch.tensor(wanted))


@pytest.mark.parametrize("frames", [1, 12])
def test_a_strip_that_cannot_be_drawn_is_refused(frames):
    with pytest.raises(ConfigError, match=f"{frames} frames"):
        forward_strip(torch.ones(1, 1, 2, 2), DROWNING["flow"], frames, gaussian(0, 1, 1, 2, 2), steps=10)
