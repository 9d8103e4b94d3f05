"""Schedulers: what we write, diffusers reads as we mean it, and it comes back as the same schedule."""

import diffusers
import pytest
import torch

from rhinoise.core.errors import ModelFolderError
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.schedules import SCHEDULES, ScheduleConfig
from rhinoise.diffusion.timesteps import levels
from rhinoise.storage.schedulers import (
    EDM,
    FLOW,
    READ_ALIKE,
    VARIANCE_PRESERVING,
    from_diffusers,
    to_diffusers,
)

FITTING = {"flow": "flow", "edm": "edm"}
CONFIGS = [ScheduleConfig(name=name) for name in SCHEDULES] + [
    ScheduleConfig(name="linear", beta_start=0.001, beta_end=0.03, zero_terminal_snr=True),
    ScheduleConfig(name="scaled_linear", zero_terminal_snr=True),
    ScheduleConfig(name="cosine", zero_terminal_snr=True),
    ScheduleConfig(name="flow", shift=3.0),
    ScheduleConfig(name="edm", sigma_max=40.0),
]
STEPS = 20


def test_rho_is_kept():
    config = ScheduleConfig(name="edm", rho=5.0)
    assert from_diffusers(to_diffusers(config, "edm"))[0].rho == 5.0


def predicted(config):
    return FITTING.get(config.name, "v")


def opened(settings):
    """As diffusers opens it; it must know every setting."""
    cls = getattr(diffusers, settings["_class_name"])
    scheduler, unused = cls.from_config(settings, return_unused_kwargs=True)
    assert unused.keys() <= {"_class_name"}
    scheduler.set_timesteps(STEPS)
    return scheduler


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_it_comes_back_as_the_same_schedule(config):
    settings = to_diffusers(config, predicted(config))
    again, predicts = from_diffusers(settings)
    assert predicts == predicted(config)
    assert to_diffusers(again, predicts) == settings
    t = torch.linspace(0, 1, 33, dtype=torch.float64)
    ours, theirs = config.build()(t), again.build()(t)
    assert torch.equal(ours.alpha, theirs.alpha)
    assert torch.equal(ours.sigma, theirs.sigma)
    assert torch.equal(ours.time, theirs.time)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_diffusers_draws_what_we_draw(config):
    """One step of theirs from every level is our prediction and our line, with the same clock."""
    predicts = predicted(config)
    scheduler = opened(to_diffusers(config, predicts))
    spacing = {"flow": "stock_flow", "edm": "karras"}.get(config.name, "trailing")
    visited = levels(config.build(), STEPS, spacing=spacing)
    torch.testing.assert_close(
        scheduler.timesteps.float(), torch.cat([level.time for level in visited[:-1]]), atol=1e-3, rtol=1e-3
    )
    if config.name == "sigmoid":
        return  # DDPMScheduler draws noise of its own
    x = answered = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * visited[0].sigma
    prediction = PREDICTIONS[predicts]
    for here, there, clock in zip(visited[:-1], visited[1:], scheduler.timesteps, strict=True):
        answer = torch.tanh(answered)  # any network will do
        theirs = scheduler.scale_model_input(x, clock)
        torch.testing.assert_close(theirs, prediction.input(here, x), atol=1e-4, rtol=1e-4)
        ours = there.add_noise(x0 := prediction.x0(here, x, answer), here.noise_in(x, x0))
        step = scheduler.step(answer, clock, x).prev_sample
        torch.testing.assert_close(step, ours, atol=2e-3, rtol=1e-3)
        x = answered = step


@pytest.mark.parametrize("predicts", ["epsilon", "sample"])
def test_other_predictions_on_a_flow_schedule(predicts):
    config = ScheduleConfig(name="flow")
    scheduler = opened(to_diffusers(config, predicts))
    here, there = levels(config.build(), STEPS, spacing="stock_flow")[3:5]
    x, answer = torch.randn(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    x0 = PREDICTIONS[predicts].x0(here, x, answer)
    theirs = scheduler.step(answer, scheduler.timesteps[3], x).prev_sample
    torch.testing.assert_close(theirs, there.add_noise(x0, here.noise_in(x, x0)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("predicts", PREDICTIONS)
def test_what_cannot_be_said_is_refused(name, predicts):
    config = ScheduleConfig(name=name)
    if predicts in READ_ALIKE[name]:
        assert from_diffusers(to_diffusers(config, predicts))[1] == predicts
    else:
        with pytest.raises(ModelFolderError, match=f"'{predicts}' prediction on the schedule '{name}'"):
            to_diffusers(config, predicts)


def test_epsilon_does_not_go_with_zero_terminal_snr():
    with pytest.raises(ModelFolderError, match="v or sample"):
        to_diffusers(ScheduleConfig(name="linear", zero_terminal_snr=True), "epsilon")


@pytest.mark.parametrize("name", [*VARIANCE_PRESERVING, *FLOW, *EDM])
def test_every_known_scheduler_is_read_with_its_own_defaults(name):
    scheduler = getattr(diffusers, name)()
    assert from_diffusers({"_class_name": name}) == from_diffusers({"_class_name": name, **scheduler.config})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"_class_name": "LCMScheduler"},
        {"_class_name": "DDIMScheduler", "num_train_timesteps": 500},
        {"_class_name": "DDIMScheduler", "trained_betas": [0.1, 0.2]},
        {"_class_name": "DDIMScheduler", "beta_schedule": "laplace"},
        {"_class_name": "DDIMScheduler", "beta_start": -1.0},
        {"_class_name": "DDIMScheduler", "prediction_type": "raw"},
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True},
        {"_class_name": "EDMEulerScheduler", "sigma_data": 1.0},
        {"_class_name": "EDMEulerScheduler", "prediction_type": "v_prediction"},
        {"_class_name": "EDMEulerScheduler", "sigma_schedule": "exponential"},
    ],
    ids=str,
)
def test_foreign_schedules_are_refused(settings):
    with pytest.raises(ModelFolderError):
        from_diffusers(settings)
