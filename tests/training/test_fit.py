"""The loop: what it asks of a task, how it resumes, and when it refuses to go on."""

import copy
import itertools
from contextlib import closing
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from rhinoise.core.errors import ConfigError, PlanError, UnknownNameError
from rhinoise.core.random import generator
from rhinoise.training import checkpoint
from rhinoise.training.fit import Fit, FitConfig, learning_rate, seconds_per_step
from rhinoise.training.optimizers import OPTIMIZERS

CONFIG = FitConfig(batch=4, learning_rate=1e-2, precision="fp32", checkpoint_seconds=1e9)
STEPS = 12


class Regression(nn.Module):
    """A small network with everything that optimizers tell apart: blocks, vectors, frozen parts, buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 8)
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.norm = nn.LayerNorm(8)
        self.last = nn.Linear(8, 1)
        self.frozen = nn.Linear(3, 1).requires_grad_(False)

    def forward(self, x):
        h = self.first(x)
        for block in self.blocks:
            h = h + torch.tanh(block(self.norm(h)))
        error = (self.last(h) - torch.tanh(x.sum(dim=1, keepdim=True)) - self.frozen(x)).square().mean()
        return {"error": error, "loss": error}


@dataclass(frozen=True)
class Points:
    size: int = 4
    bad: int = -1

    def at(self, step: int):
        points = torch.randn(self.size, 3, generator=generator("points", step))
        return points * torch.inf if step == self.bad else points


def task():
    torch.manual_seed(0)
    return Regression()


def fit(config=CONFIG, folder=None, batches=None):
    return Fit(task(), batches or Points(), config, steps=STEPS, folder=folder)


def story(reports):
    return [(r.step, r.images, r.losses, r.learning_rate, r.gradient_norm) for r in reports]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("left", [1, 5, STEPS])
def test_leaving_saves_and_the_same_call_goes_on_exactly(tmp_path, left, optimizer):
    config = replace(CONFIG, optimizer=optimizer)
    calm = fit(config)
    whole = story(calm.run())
    with closing(fit(config, tmp_path).run()) as running:
        before = story(itertools.islice(running, left))
    resumed = fit(config, tmp_path)
    assert resumed.step == left
    assert before + story(resumed.run()) == whole
    assert len(whole) == STEPS
    for name, value in calm.averaged().items():
        assert torch.equal(resumed.averaged()[name], value)
    for name, value in calm.engine.trained.items():
        assert torch.equal(resumed.engine.trained[name], value)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_learns_and_leaves_the_frozen_alone(optimizer):
    config = replace(CONFIG, batch=32, optimizer=optimizer)
    learning = Fit(task(), Points(32), config, steps=150)
    losses = [report.losses["loss"] for report in learning.run()]
    assert sum(losses[-10:]) < sum(losses[:10]) / 3
    frozen = learning.engine.module.frozen
    assert torch.equal(frozen.weight, task().frozen.weight)
    assert not any(name.startswith("frozen") for name in learning.averaged())


def test_checkpoints_are_due_by_the_clock(tmp_path):
    for _ in itertools.islice(running := fit(replace(CONFIG, checkpoint_seconds=0.0), tmp_path).run(), 3):
        pass
    # Saved when the next report is asked for: after two of three.
    assert checkpoint.load(tmp_path)[1]["step"] == 2
    running.close()
    assert checkpoint.load(tmp_path)[1]["step"] == 3


def test_an_interrupt_within_a_step_loses_that_step_only(tmp_path):
    """Weights in the midst of a step are not saved."""

    class Interrupted(Points):
        def at(self, step):
            if step == 4:
                raise KeyboardInterrupt
            return super().at(step)

    config = replace(CONFIG, checkpoint_seconds=0.0)
    whole, reports = story(fit(config).run()), []

    def go():
        for report in fit(config, tmp_path, Interrupted()).run():
            reports.append(report)  # noqa: PERF402, to keep those before the interrupt

    with pytest.raises(KeyboardInterrupt):
        go()
    assert story(reports) + story(fit(folder=tmp_path).run()) == whole


def test_training_time_adds_up_over_sessions(tmp_path):
    with closing(fit(folder=tmp_path).run()) as running:
        before = [report.seconds for report in itertools.islice(running, 4)]
    after = [report.seconds for report in fit(folder=tmp_path).run()]
    assert before + after == sorted(before + after)


def test_a_loss_that_is_no_number_stops_it_and_the_last_good_checkpoint_stays(tmp_path):
    config = replace(CONFIG, checkpoint_seconds=0.0)
    with pytest.raises(PlanError, match=r"step 6: start again with a lower learning rate \(now 0.01\)"):
        list(fit(config, tmp_path, Points(bad=5)).run())
    found, facts = checkpoint.load(tmp_path)
    assert facts["step"] <= 5
    assert all(bool(value.isfinite().all()) for value in found.values())


def test_without_a_folder_nothing_is_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(fit().run()) as running:
        next(running)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_one_has_nothing_left_to_do(tmp_path):
    list(fit(folder=tmp_path).run())
    assert list(fit(folder=tmp_path).run()) == []


def test_the_learning_rate_climbs_stays_and_falls():
    config = replace(CONFIG, learning_rate=2.0, warmup=0.1, decay=0.4)
    rates = [learning_rate(config, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([2 * (step + 1) / 10 for step in range(10)])
    assert rates[10:60] == [2.0] * 50
    assert rates[60:] == pytest.approx([2 * (100 - step) / 40 for step in range(60, 100)])
    assert [report.learning_rate for report in fit(config).run()] == [
        learning_rate(config, step, STEPS) for step in range(STEPS)
    ]


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize(("warmup", "decay"), [(0.0, 0.0), (0.03, 0.4), (1.0, 1.0)])
def test_the_learning_rate_of_short_trainings_is_above_zero(steps, warmup, decay):
    config = replace(CONFIG, warmup=warmup, decay=decay)
    assert all(0 < learning_rate(config, step, steps) <= config.learning_rate for step in range(steps))


def test_measuring_a_step_changes_nothing():
    measured = task()
    before = copy.deepcopy(measured.state_dict())
    state = torch.random.get_rng_state()
    assert seconds_per_step(measured, Points(), CONFIG) > 0
    assert all(torch.equal(value, before[name]) for name, value in measured.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    "change", [{"batch": 0}, {"learning_rate": 0.0}, {"ema_width": 0.0}, {"ema_width": 0.3}], ids=str
)
def test_what_cannot_be_is_refused(change):
    with pytest.raises(ConfigError):
        replace(CONFIG, **change)


def test_an_unknown_optimizer_is_answered_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="did you mean 'adamw'"):
        replace(CONFIG, optimizer="adam")


def test_compiled_steps_are_the_same_steps():
    plain, compiled = (
        [report.losses["loss"] for report in fit(replace(CONFIG, compiler=compiler)).run()]
        for compiler in ("none", "aot_eager")
    )
    assert counters["stats"]["unique_graphs"] > 0
    assert compiled == pytest.approx(plain, rel=1e-5)
