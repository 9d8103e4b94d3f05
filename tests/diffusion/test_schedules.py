"""Schedules: exact ends, monotone between them, and configurations that say what is wrong with them."""

import pytest
import torch

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.diffusion.schedules import LEAST, SCHEDULES, ScheduleConfig

VARIANCE_PRESERVING = ("linear", "scaled_linear", "cosine", "sigmoid")


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_schedule_starts_clean_and_only_gets_noisier(name, dtype):
    level = ScheduleConfig(name=name).build()(torch.linspace(0, 1, 2001, dtype=dtype))
    assert level.alpha.dtype == level.sigma.dtype == level.time.dtype == dtype
    assert (level.alpha[0], level.sigma[0]) == (1, 0)
    assert (level.sigma.double() / level.alpha.double()).flatten().diff().min() > 0


@pytest.mark.parametrize("name", VARIANCE_PRESERVING)
@pytest.mark.parametrize("zero_terminal_snr", [False, True])
def test_variance_is_preserved(name, zero_terminal_snr):
    schedule = SCHEDULES[name](zero_terminal_snr=zero_terminal_snr)
    level = schedule(torch.linspace(0, 1, 777))
    torch.testing.assert_close(level.std, torch.ones_like(level.std))


@pytest.mark.parametrize("name", VARIANCE_PRESERVING)
def test_zero_terminal_snr_ends_in_pure_noise_and_keeps_the_first_step(name):
    usual, rescaled = (SCHEDULES[name](zero_terminal_snr=zero) for zero in (False, True))
    ends = torch.tensor([LEAST, 1.0], dtype=torch.float64)
    assert (rescaled(ends).alpha[1], rescaled(ends).sigma[1]) == (0, 1)
    torch.testing.assert_close(rescaled(ends).alpha[0], usual(ends).alpha[0])


def test_clocks():
    """What stock diffusers schedulers tell the network: the index, 1000 sigma, or c_noise."""
    t = torch.tensor([LEAST, 0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(SCHEDULES["linear"]()(t).time, torch.tensor([0.0, 499, 999]).double())
    torch.testing.assert_close(SCHEDULES["flow"](shift=3.0)(t).time[1], torch.tensor(750.0).double())
    level = SCHEDULES["edm"]()(t)
    torch.testing.assert_close(level.time, 0.25 * level.sigma.flatten().log())


def test_flow_is_straight_and_its_shift_multiplies_the_ratio():
    t = torch.linspace(0, 1, 11)[1:-1]
    plain, shifted = SCHEDULES["flow"]()(t), SCHEDULES["flow"](shift=3.0)(t)
    torch.testing.assert_close(plain.sigma.flatten(), t)
    torch.testing.assert_close(plain.alpha + plain.sigma, torch.ones_like(plain.sigma))
    torch.testing.assert_close(shifted.ratio, 3 * plain.ratio)
    assert SCHEDULES["flow"](shift=3.0)(torch.ones(1)).alpha == 0


def test_edm_spans_its_sigmas():
    level = SCHEDULES["edm"](sigma_min=0.01, sigma_max=20.0)(torch.tensor([LEAST, 1.0], dtype=torch.float64))
    torch.testing.assert_close(level.sigma.flatten(), torch.tensor([0.01, 20.0], dtype=torch.float64))


def test_a_config_passes_its_settings_on():
    t = torch.rand(5)
    config = ScheduleConfig(name="linear", beta_end=0.01, zero_terminal_snr=True)
    direct = SCHEDULES["linear"](beta_end=0.01, zero_terminal_snr=True)
    assert torch.equal(config.build()(t).alpha, direct(t).alpha)


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"name": "cosin"}, UnknownNameError, "did you mean 'cosine'"),
        ({"name": "cosine", "shift": 2.0}, ConfigError, "no setting 'shift', only zero_terminal_snr"),
        (
            {"name": "flow", "zero_terminal_snr": True},
            ConfigError,
            "no setting 'zero_terminal_snr', only shift",
        ),
        ({"name": "flow", "shift": 0.0}, ConfigError, "shift of the schedule 'flow' is 0.0"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        ScheduleConfig(**settings)
