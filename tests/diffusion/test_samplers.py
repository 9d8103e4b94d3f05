"""Samplers on data whose denoiser is known exactly: orders of convergence, and final distributions."""

import math

import pytest
import torch

from rhinoise.core.errors import ConfigError
from rhinoise.diffusion.samplers import SAMPLERS, ddim, dpmpp_2m
from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.diffusion.timesteps import levels

WEIGHTS, MEANS, STDS = torch.tensor([[0.3, 0.7], [-1.0, 0.6], [0.4, 0.5]], dtype=torch.float64)
MEAN = float((WEIGHTS * MEANS).sum())
VARIANCE = float((WEIGHTS * (STDS**2 + MEANS**2)).sum()) - MEAN**2

ORDERS = {"ddim": 1, "heun": 2, "dpmpp_2m": 2, "unipc": 3}
"""UniPC predicts with order 2, and its corrector raises the order by one (Zhao et al. 2023)."""

STRAIGHT_AND_CURVED = {
    "flow": SCHEDULES["flow"](),
    "linear": SCHEDULES["linear"](zero_terminal_snr=True),
    "edm": SCHEDULES["edm"](),
}

VISITS = {
    "flow": lambda steps: levels(SCHEDULES["flow"](), steps),  # starts at alpha = 0
    "edm": lambda steps: levels(SCHEDULES["edm"](), steps, spacing="karras"),
    "cosine": lambda steps: levels(SCHEDULES["cosine"](zero_terminal_snr=True), steps),  # and so does this
}


def mixture(x, level):
    """E[x0 | x] when every value of x0 is drawn from the same mixture of two Gaussians."""
    variance = level.alpha**2 * STDS**2 + level.sigma**2
    away = x[..., None].to(STDS) - (level.alpha * MEANS)
    share = (WEIGHTS.log() - variance.log() / 2 - away**2 / variance / 2).softmax(-1)
    return (share * (MEANS + level.alpha * STDS**2 / variance * away)).sum(-1)


def last(steps):
    *_, step = steps
    return step


def exactly(visited):
    return [level.to("cpu", torch.float64) for level in visited]


@pytest.mark.parametrize("schedule", STRAIGHT_AND_CURVED)
@pytest.mark.parametrize("name", ORDERS)
def test_order_of_convergence(name, schedule):
    """Twice the steps, half the error for order 1, a quarter for order 2.

    In equal steps of log-SNR: in equal steps of t, those next to the two ends do not shrink in log-SNR.
    """
    schedule = STRAIGHT_AND_CURVED[schedule]
    many = [exactly(levels(schedule, steps, spacing="exponential")) for steps in (40, 80, 500)]
    x = many[0][0].std * torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(9, 1, 1, 1)
    exact = last(SAMPLERS["unipc"](mixture, x, many[-1])).x
    coarse, fine = (
        float((last(SAMPLERS[name](mixture, x, few)).x - exact).square().mean().sqrt()) for few in many[:2]
    )
    assert math.log2(coarse / fine) == pytest.approx(ORDERS[name], abs=0.2)


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_final_distribution_is_that_of_the_data(name, visit):
    # Of first order and random at every step: its variance needs the most.
    visited, random = exactly(VISITS[visit](400 if name == "ddpm" else 100)), torch.Generator().manual_seed(0)
    x = visited[0].std * torch.randn(8, 1, 50, 50, generator=random, dtype=torch.float64)
    steps = SAMPLERS[name](
        mixture, x, visited, noise=lambda step: torch.randn(x.shape, generator=random, dtype=torch.float64)
    )
    drawn = last(steps).x
    error = math.sqrt(VARIANCE / drawn.numel())
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=4 * error)
    assert float(drawn.var()) == pytest.approx(VARIANCE, rel=0.04)


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_step_for_every_level_and_the_last_x_is_its_x0(name, visit):
    visited = VISITS[visit](5)
    x = torch.randn(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    steps = list(SAMPLERS[name](lambda x, level: 0.5 * x, x, visited, noise=lambda step: torch.ones_like(x)))
    assert [step.level for step in steps] == visited[1:]
    assert all(torch.isfinite(step.x).all() for step in steps)
    torch.testing.assert_close(steps[-1].x, steps[-1].x0)


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2])
def test_one_or_two_steps_are_enough_to_be_finite(name, visit, steps):
    x = torch.ones(1, 1, 2, 2)
    final = last(SAMPLERS[name](lambda x, level: x / 2, x, VISITS[visit](steps), noise=lambda step: x)).x
    assert torch.isfinite(final).all()


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_perfect_denoiser_is_believed(name, visit):
    """Whatever the noise, if x0 is known the sampler draws it."""
    x0, x = torch.randn(2, 2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    final = last(SAMPLERS[name](lambda x, level: x0, x, VISITS[visit](6), noise=lambda step: x)).x
    torch.testing.assert_close(final, x0)


def test_the_stochastic_2m_is_ddpm_when_x0_does_not_change():
    visited, x = VISITS["cosine"](6), torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    first = [
        next(sampler(lambda x, level: 0.1 * x, x, visited, eta=1.0, noise=lambda step: x.flip(2))).x
        for sampler in (ddim, dpmpp_2m)
    ]
    assert torch.equal(*first)


@pytest.mark.parametrize("sampler", [ddim, dpmpp_2m])
def test_fresh_noise_must_be_given(sampler):
    with pytest.raises(ConfigError, match="needs fresh noise"):
        next(sampler(lambda x, level: x, torch.ones(1, 1, 2, 2), VISITS["flow"](3), eta=1.0))


def test_a_sampler_is_a_generator_and_can_be_left():
    calls = []
    steps = ddim(lambda x, level: calls.append(level) or x, torch.ones(1, 1, 2, 2), VISITS["flow"](9))
    next(steps)
    steps.close()
    assert len(calls) == 1
