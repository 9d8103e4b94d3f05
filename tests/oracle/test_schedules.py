"""Schedules against the tables of diffusers' schedulers."""

import diffusers
import pytest
import torch

from rhinoise.diffusion.schedules import SCHEDULES

WHOLE_STEPS = torch.arange(1, 1001, dtype=torch.float64) / 1000

TABLES = [
    ("linear", {}, {"beta_schedule": "linear"}),
    ("scaled_linear", {}, {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}),
    ("cosine", {}, {"beta_schedule": "squaredcos_cap_v2"}),
    ("sigmoid", {}, {"beta_schedule": "sigmoid"}),
    ("linear", {"beta_end": 0.01}, {"beta_schedule": "linear", "beta_end": 0.01}),
]


@pytest.mark.parametrize(("name", "ours", "theirs"), TABLES)
@pytest.mark.parametrize("zero", [False, True])
def test_alphas_cumprod(name, ours, theirs, zero):
    """They multiply a thousand float32 numbers, which costs up to 3e-5; we do it in float64."""
    table = diffusers.DDPMScheduler(**theirs, rescale_betas_zero_snr=zero).alphas_cumprod
    level = SCHEDULES[name](**ours, zero_terminal_snr=zero)(WHOLE_STEPS)
    torch.testing.assert_close(level.alpha.flatten().float() ** 2, table, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(level.time, torch.arange(1000, dtype=torch.float64))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow(shift):
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    level = SCHEDULES["flow"](shift=shift)(WHOLE_STEPS.flip(0))
    torch.testing.assert_close(level.sigma.flatten().float(), theirs.sigmas)
    torch.testing.assert_close(level.time.float(), theirs.timesteps)


def test_edm():
    theirs = diffusers.EDMEulerScheduler()
    theirs.set_timesteps(1000)
    level = SCHEDULES["edm"]()(WHOLE_STEPS.flip(0))
    torch.testing.assert_close(level.sigma.flatten().float(), theirs.sigmas[:-1], rtol=1e-5, atol=0)
    torch.testing.assert_close(level.time.float(), theirs.timesteps, rtol=1e-5, atol=1e-5)
