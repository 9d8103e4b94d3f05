"""Predictions: the answer that is asked for, read back, gives x0."""

import pytest
import torch

from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.schedules import SCHEDULES


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("t", [0.001, 0.3, 0.9])
def test_the_target_is_read_as_x0(name, schedule, t):
    prediction, level = PREDICTIONS[name], SCHEDULES[schedule]()(torch.tensor([t]))
    x0, eps = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    x = level.add_noise(x0, eps)
    answer = prediction.target(level, x0, eps)
    torch.testing.assert_close(prediction.x0(level, x, answer), x0, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("name", [name for name in PREDICTIONS if name != "epsilon"])
def test_all_but_epsilon_can_be_read_at_pure_noise(name):
    level = SCHEDULES["flow"]()(torch.ones(1))
    x0, eps = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    answer = PREDICTIONS[name].target(level, x0, eps)
    torch.testing.assert_close(PREDICTIONS[name].x0(level, eps, answer), x0, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.002, 0.5, 80.0])
def test_edm_sees_and_answers_unit_variance(sigma):
    """Karras et al. 2022, appendix B.6: that is what the preconditioning is for."""
    level = SCHEDULES["edm"](sigma_max=sigma)(torch.ones(1))
    x0, eps = torch.randn(2, 8, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    x0, prediction = 0.5 * x0, PREDICTIONS["edm"]
    assert float(prediction.input(level, level.add_noise(x0, eps)).std()) == pytest.approx(1, abs=0.01)
    assert float(prediction.target(level, x0, eps).std()) == pytest.approx(1, abs=0.01)
