"""The average in closed form: weights (i/t)^gamma, whatever the order in which they are taken in."""

import numpy as np
import pytest
import torch

from rhinoise.training.ema import WIDEST, Ema, power

WIDTHS = (0.01, 0.05, 0.1, 0.2, WIDEST)


@pytest.mark.parametrize("width", WIDTHS)
def test_power_gives_the_width(width):
    """The standard deviation of t^gamma on [0, 1] by numerical integration."""
    gamma = power(width)
    t = (np.arange(1_000_000) + 0.5) / 1_000_000
    weight = t**gamma / (t**gamma).sum()
    mean = (weight * t).sum()
    assert np.sqrt((weight * (t - mean) ** 2).sum()) == pytest.approx(width, rel=1e-3)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_never_changes_stays(width):
    parameters = {"a": torch.tensor([1.5, -2.0]), "b": torch.tensor(3.0)}
    ema = Ema(parameters, width)
    for step in range(1, 50):
        ema.update(parameters, step)
    for name, value in parameters.items():
        torch.testing.assert_close(ema.average[name], value)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_ramp_has_the_average_of_its_weights(width):
    """Step i of t counts prod_{j > i} (1 - 1/j)^(gamma + 1) (1 - (1 - 1/i)^(gamma + 1))."""
    steps, gamma = 200, power(width)
    ema = Ema({"w": torch.zeros(())}, width)
    for step in range(1, steps + 1):
        ema.update({"w": torch.tensor(float(step))}, step)
    i = np.arange(1, steps + 1)
    keep = (1 - 1 / i) ** (gamma + 1)
    weights = (1 - keep) * np.append(np.cumprod(keep[:0:-1])[::-1], 1)
    assert weights.sum() == pytest.approx(1)
    assert float(ema.average["w"]) == pytest.approx((weights * i).sum(), rel=1e-5)
    # In the limit the mean of t^gamma on [0, t] is (gamma + 1) / (gamma + 2) of t.
    assert float(ema.average["w"]) == pytest.approx(steps * (gamma + 1) / (gamma + 2), rel=0.02)


def test_the_first_step_leaves_nothing_of_the_random_start():
    ema = Ema({"w": torch.tensor(100.0)}, 0.05)
    ema.update({"w": torch.tensor(1.0)}, 1)
    assert float(ema.average["w"]) == 1


def test_parameters_are_left_alone_and_averages_read_back():
    parameters = {"w": torch.nn.Parameter(torch.ones(3))}
    ema, other = Ema(parameters, 0.1), Ema(parameters, 0.1)
    ema.update({"w": torch.nn.Parameter(torch.full((3,), 5.0))}, 1)
    assert torch.equal(parameters["w"], torch.ones(3))
    assert not ema.average["w"].requires_grad
    other.load(ema.average)
    assert torch.equal(other.average["w"], ema.average["w"])
