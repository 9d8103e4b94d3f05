"""The objective: densities are what they are called, and weights mean the same for every prediction."""

import pytest
import torch
from scipy import stats

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.diffusion.objective import DENSITIES, WEIGHTS, ObjectiveConfig, loss, loss_weight, sample_times
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.schedules import LEAST, SCHEDULES

EVEN = (torch.arange(4000) + 0.5) / 4000
GAMMA = 5.0


def close(samples, distribution):
    """Even uniforms give the quantiles themselves, so the distance is that of rounding and of the ends."""
    return stats.kstest(samples.flatten().double().numpy(), distribution.cdf).statistic < 3e-3


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("density", DENSITIES)
def test_times_rise_with_the_uniforms_and_stay_in_range(density, schedule):
    uniforms = torch.cat([torch.zeros(1), EVEN[::50], torch.ones(1)])
    t = sample_times(ObjectiveConfig(density=density), SCHEDULES[schedule](), uniforms)
    assert t.dtype == torch.float32
    assert (t.diff() >= 0).all()
    assert t.min() >= LEAST - 1e-9
    assert t.max() <= 1


def test_densities_are_what_they_are_called():
    flow, edm = SCHEDULES["flow"](), SCHEDULES["edm"]()
    karras = ObjectiveConfig(density="log_normal", mean=-1.2, std=1.2)
    logit = ObjectiveConfig(density="logit_normal", mean=0.5, std=0.8)
    assert close(sample_times(ObjectiveConfig(), flow, EVEN), stats.uniform())
    assert close(sample_times(logit, flow, EVEN).logit(), stats.norm(0.5, 0.8))
    assert close(edm(sample_times(karras, edm, EVEN)).sigma.log(), stats.norm(-1.2, 1.2))


def test_on_a_flow_the_two_normal_densities_are_one():
    flow = SCHEDULES["flow"]()
    logit, log = (
        sample_times(ObjectiveConfig(density=name, mean=0.3, std=0.9), flow, EVEN)
        for name in ("logit_normal", "log_normal")
    )
    torch.testing.assert_close(logit, log)


@pytest.mark.parametrize(
    ("prediction", "wanted"),
    [
        ("epsilon", lambda snr: snr.clamp(max=GAMMA) / snr),
        ("sample", lambda snr: snr.clamp(max=GAMMA)),
        ("v", lambda snr: snr.clamp(max=GAMMA) / (snr + 1)),
    ],
)
def test_min_snr_as_in_the_paper(prediction, wanted):
    level = SCHEDULES["cosine"]()(torch.linspace(0.01, 0.99, 9))
    weight = loss_weight(ObjectiveConfig(weight="min_snr", gamma=GAMMA), PREDICTIONS[prediction], level)
    torch.testing.assert_close(weight, wanted(level.log_snr.exp()), rtol=1e-4, atol=1e-5)


def test_edm_weight_on_an_edm_answer_is_1():
    """Karras et al. 2022, table 1: the weight is what makes the loss of the raw answer even."""
    level = SCHEDULES["edm"]()(torch.linspace(0.01, 1, 9))
    weight = loss_weight(ObjectiveConfig(weight="edm"), PREDICTIONS["edm"], level)
    torch.testing.assert_close(weight, torch.ones_like(weight), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("weight", [name for name in WEIGHTS if name != "uniform"])
@pytest.mark.parametrize("name", PREDICTIONS)
def test_the_same_wrong_x0_costs_the_same_in_every_prediction(name, weight, schedule):
    """All but the uniform weight are defined on x0, so what the network is asked for must not matter."""
    level = SCHEDULES[schedule]()(torch.tensor([0.2, 0.5, 0.8]))
    x0, wrong, eps = torch.randn(3, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    level = level.to("cpu", torch.float64)
    x, config = level.add_noise(x0, eps), ObjectiveConfig(weight=weight)

    def cost(prediction):
        answer = prediction.target(level, wrong, level.noise_in(x, wrong))
        return loss(prediction, loss_weight(config, prediction, level), level, x0, eps, answer)

    torch.testing.assert_close(cost(PREDICTIONS[name]), cost(PREDICTIONS["sample"]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("name", PREDICTIONS)
def test_weights_are_finite_from_the_least_time_to_pure_noise(name, weight, schedule):
    level = SCHEDULES[schedule]()(torch.tensor([LEAST, 0.5, 1.0]))
    weights = loss_weight(ObjectiveConfig(weight=weight), PREDICTIONS[name], level)
    assert torch.isfinite(weights).all()
    assert (weights > 0).all() or weight == "min_snr"  # at pure noise an x0 has no signal to be judged by


@pytest.mark.parametrize("name", PREDICTIONS)
def test_the_right_answer_costs_nothing_and_losses_are_per_picture(name):
    """Batch = height = width, where a missing axis would mix the pictures."""
    level = SCHEDULES["flow"]()(torch.tensor([0.2, 0.5, 0.8]))
    x0, eps = torch.randn(2, 3, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    prediction, weight = PREDICTIONS[name], torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    answer = prediction.target(level, x0, eps)
    assert torch.equal(loss(prediction, weight, level, x0, eps, answer), torch.zeros(3))
    off_by_one = loss(prediction, weight, level, x0, eps, answer + 1)
    torch.testing.assert_close(off_by_one, torch.tensor([1.0, 2.0, 3.0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"density": "logit"}, UnknownNameError, "did you mean 'logit_normal'"),
        ({"weight": "minsnr"}, UnknownNameError, "did you mean 'min_snr'"),
        ({"gamma": 0.0}, ConfigError, "gamma of the objective is 0.0"),
        ({"std": -1.0}, ConfigError, "std of the objective is -1.0"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        ObjectiveConfig(**settings)
