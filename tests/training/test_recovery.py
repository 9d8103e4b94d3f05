"""Losses that diverge are told from those that do not, and the way back is a function of the steps."""

import itertools
import json
import math
import random
from contextlib import closing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rhinoise.core.errors import PlanError
from rhinoise.training import checkpoint
from rhinoise.training.fit import Fit, FitConfig
from rhinoise.training.recovery import (
    MOST,
    WINDOW,
    Diverged,
    Watch,
    anchors_every,
    anchors_kept,
    safe_step,
)


def complaints(losses, norm=1.0):
    watch = Watch()
    return [watch.complaint({"loss": loss}, norm, step) for step, loss in enumerate(losses, start=1)]


def falling(step, start=2.0, floor=0.4):
    return floor + (start - floor) * math.exp(-step / 300)


HEALTHY = {
    "even": lambda step, chance: 1.0,
    "falling, with heavy tails": lambda step, chance: falling(step) * math.exp(1.2 * chance.gauss(0, 1)),
    "a spike of ten steps": lambda step, chance: 1e6 if 700 <= step < 710 else falling(step),
    "from below zero": lambda step, chance: -1 - chance.random(),
    "learnt by heart, ten times worse now and then": lambda step, chance: (
        math.exp(-step / 100) + 1e-4 * (10 if step // 200 % 2 else 1)
    ),
    "the data get harder": lambda step, chance: falling(step) * (1.5 if step > 1000 else 1),
}
ILL = {
    "back to the start": lambda step: falling(step) if step < 1000 else 2.0,
    "beyond it": lambda step: 0.03 if step < 1000 else 0.03 * 1.01 ** (step - 1000),
    "from below zero": lambda step: -1.0 if step < 1000 else 3.0,
}


@pytest.mark.parametrize("case", HEALTHY)
def test_noise_is_no_divergence(case):
    chance = random.Random(case)
    assert not any(complaints([HEALTHY[case](step, chance) for step in range(2000)]))


@pytest.mark.parametrize("case", ILL)
def test_what_climbs_back_is_one(case):
    said = complaints([ILL[case](step) for step in range(1200)])
    first = next(step for step, complaint in enumerate(said, start=1) if complaint)
    assert 1000 < first <= 1000 + 2 * WINDOW
    assert said[first - 1].startswith("the loss has climbed from ")
    assert said[first - 1].endswith(f"at step {first}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_is_one_at_once(value):
    assert complaints([1.0, value])[1] == f"the loss is {value} at step 2"
    assert complaints([1.0], norm=value) == [f"the gradient is {value} at step 1"]


def test_the_players_of_a_game_may_win_and_lose():
    """The critic's loss of 2 came to an autoencoder's of 0.03, and won down to 0.1."""
    watch = Watch()
    for step in range(1, 600):
        game = {} if step < 200 else {"critic": 2.0 if step < 400 else 0.1, "adversarial": 0.3}
        losses = {"absolute": 0.03} | game
        assert watch.complaint(losses | {"loss": sum(losses.values())}, 1.0, step) is None


def test_a_watch_that_was_written_down_goes_on_exactly():
    losses = [falling(step) if step < 150 else 3.0 for step in range(300)]
    for left in (0, 10, WINDOW, 120, 180):
        before, after = Watch(), Watch()
        for step, loss in enumerate(losses[:left], start=1):
            before.complaint({"loss": loss}, 1.0, step)
        after.remember(json.loads(json.dumps(before.memory())))
        rest = [after.complaint({"loss": x}, 1.0, i) for i, x in enumerate(losses[left:], start=left + 1)]
        assert rest == complaints(losses)[left:]


@given(steps=st.integers(1, 9000), data=st.data())
def test_the_way_back_depends_on_the_step_alone(steps, data):
    """Whatever other checkpoints the clock has made; and what it needs has not been removed."""
    step, every = data.draw(st.integers(1, steps)), anchors_every(steps)
    others = data.draw(st.sets(st.integers(0, step - 1), max_size=5))
    anchors = {anchor for anchor in anchors_kept(step - 1, steps) if anchor >= 0}
    to = safe_step(step, steps, anchors | others)
    assert to == safe_step(step, steps, range(step))
    assert to % every == 0
    assert to <= max(0, step - WINDOW)


def test_a_run_without_anchors_goes_back_to_what_there_is():
    assert safe_step(900, 1000, [613, 777]) == 777
    assert safe_step(800, 1000, [613, 777]) == 613
    assert safe_step(620, 1000, [613, 619]) == 613


class Cliff(nn.Module):
    """A loss that falls as its weight grows, by one learning rate a step, up to LIMIT."""

    def __init__(self, beyond: float) -> None:
        super().__init__()
        self.weight, self.beyond = nn.Parameter(torch.zeros(())), beyond

    def forward(self, batch):
        return {"loss": (2 - self.weight) * (1.0 if self.weight < LIMIT else self.beyond)}


class Nothing:
    size = 1

    def at(self, step):
        return torch.zeros(1)


CONFIG = FitConfig(batch=1, learning_rate=0.01, weight_decay=0.0, precision="fp32", checkpoint_seconds=1e9)
STEPS = 220
LIMIT = 1.3
"""Reached after 130 steps; with half the rate from step 64 on, or from the start, never."""
BEYOND = {"no number": math.nan, "a climb": 9.0}


def cliff(folder, beyond, rate=0.01):
    config = FitConfig(**{**vars(CONFIG), "learning_rate": rate})
    return Fit(Cliff(beyond), Nothing(), config, steps=STEPS, folder=folder)


def through(fit):
    """Every report, back and forth."""
    while True:
        try:
            for report in fit.run():
                yield report.step, report.losses["loss"], report.learning_rate
            return
        except Diverged as trouble:
            fit.go_back(trouble)


@pytest.mark.parametrize("beyond", BEYOND)
def test_it_goes_back_and_on_with_half_the_rate(tmp_path, beyond):
    fit = cliff(tmp_path, BEYOND[beyond])
    reports = list(through(fit))
    [back] = fit.rollbacks
    assert back.to == anchors_every(STEPS) == 64
    assert str(back.step) in back.why
    steps = [step for step, _, _ in reports]
    assert steps == [*range(1, back.step), *range(back.to + 1, STEPS + 1)]
    rates = {step: rate for step, _, rate in reports[: back.step - 1]}
    assert all(rate == rates[step] / 2 for step, _, rate in reports[back.step - 1 :] if step in rates)
    assert reports[-1][1] < 1.5
    assert 0.5 < float(fit.averaged()["weight"]) < LIMIT


@pytest.mark.parametrize("beyond", BEYOND)
@pytest.mark.parametrize("left", [3, 70, 101, 140, 150, 230])
def test_left_anywhere_it_goes_the_same_way(tmp_path, beyond, left):
    calm = list(through(cliff(tmp_path / "calm", BEYOND[beyond])))
    with closing(through(cliff(tmp_path / "left", BEYOND[beyond]))) as running:
        before = list(itertools.islice(running, left))
    resumed = cliff(tmp_path / "left", BEYOND[beyond])
    assert before + list(through(resumed)) == calm
    assert len(resumed.rollbacks) == 1


@pytest.mark.parametrize("beyond", BEYOND)
def test_killed_between_checkpoints_it_goes_the_same_way(tmp_path, beyond):
    """What is on the disk at any moment leads to the same end; only the way there may be gone twice."""
    calm = list(through(cliff(tmp_path / "calm", BEYOND[beyond])))
    running = through(cliff(tmp_path / "killed", BEYOND[beyond]))
    for number in range(0, len(calm), 45):
        there = tmp_path / str(number)
        there.mkdir()
        list(itertools.islice(running, 45))
        for file in (tmp_path / "killed").iterdir():
            (there / file.name).write_bytes(file.read_bytes())
        rest = list(through(cliff(there, BEYOND[beyond])))
        assert rest == calm[len(calm) - len(rest) :]


def test_a_few_times_and_no_more(tmp_path):
    fit = cliff(tmp_path, math.nan, rate=1.0)
    with pytest.raises(
        PlanError, match=rf"going back {MOST} times .* has not helped.*lower one \(it was 1\)"
    ):
        list(through(fit))
    assert [back.to for back in fit.rollbacks] == [0] * MOST
    assert checkpoint.load(tmp_path)[1]["step"] == 0


def test_without_a_folder_there_is_no_way_back():
    with pytest.raises(
        PlanError, match=r"the loss is nan at step \d+: start again with a lower learning rate"
    ):
        list(through(cliff(None, math.nan)))


def test_the_moments_of_the_optimizer_go_back_too(tmp_path):
    """Step 0 has none: those of the diverging steps stayed, and the second try was another one."""
    again = cliff(tmp_path / "again", math.nan, rate=0.012)
    half = cliff(tmp_path / "half", math.nan, rate=0.006)
    reports = list(through(again))
    [back] = again.rollbacks
    assert back.to == 0
    assert reports[back.step - 1 :] == list(through(half))
