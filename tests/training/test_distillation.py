"""A student follows its teacher: exact identities, and a teacher that is known in closed form."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.samplers import dpmpp_2m
from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.diffusion.timesteps import levels
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.training.distillation import (
    FIT,
    DistillationConfig,
    DistillationTask,
    TrajectoryBatch,
    TrajectoryBatches,
)
from rhinoise.training.fit import Fit

FLOW = SCHEDULES["flow"]()
STEPS, BETWEEN = 4, 5
SHAPE = (2, 3, 3)


def embed(captions):
    tokens = torch.tensor([float(caption) for caption in captions])[:, None, None]
    return TextEmbedding(
        tokens=tokens, mask=torch.ones(len(captions), 1, dtype=torch.bool), pooled=tokens[:, 0]
    )


class Linear(nn.Module):
    """A network that answers with a multiple of what it sees, its own at each of four times."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.zeros(STEPS + 1))

    def forward(self, x, time, text):
        place = (time / 1000 * STEPS).round().long()
        return self.factors[place][:, None, None, None] * x


def gaussian(x, level):
    """E[x0 | x] for data of mean 0 and variance 1/4: its trajectories are known."""
    return level.alpha / (level.alpha**2 + 4 * level.sigma**2) * x


def trajectories(count: int) -> torch.Tensor:
    """Of the Gaussian, in many steps, at the few levels."""
    many = levels(FLOW, STEPS * BETWEEN)
    x = torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0))
    steps = list(dpmpp_2m(gaussian, x, many))
    return torch.stack([x, *(step.x for step in steps[BETWEEN - 1 :: BETWEEN])], dim=1)


def batches(count: int = 12, size: int = 4) -> TrajectoryBatches:
    states = trajectories(count).half().numpy()
    return TrajectoryBatches(
        parts=np.split(states, 3), captions=[str(i) for i in range(count)], embed=embed, size=size, seed=0
    )


def test_a_batch_is_a_function_of_its_step_and_every_trajectory_keeps_its_caption():
    kept, states = batches(), trajectories(12).half().float()
    seen = []
    for step in range(3):
        batch = kept.at(step)
        assert torch.equal(batch.states, kept.at(step).states)
        rows = batch.text.pooled[:, 0].long()
        assert torch.equal(batch.states, states[rows])
        seen += rows.tolist()
    assert sorted(seen) == list(range(12))


@pytest.mark.parametrize("predicts", ["flow", "sample"])
def test_a_student_that_is_where_its_teacher_was_has_no_loss(predicts):
    """Answers in closed form: the velocity between two places is their difference over the time between."""
    states, visited = trajectories(5), levels(FLOW, STEPS)
    answers = {}
    for (here, there), (x, wanted) in zip(pairwise(visited), pairwise(states.unbind(1)), strict=True):
        velocity = (x - wanted) / (here.sigma - there.sigma)
        answers[float(here.time)] = velocity if predicts == "flow" else x - here.sigma * velocity

    class Perfect(nn.Module):
        def forward(self, x, time, text):
            return answers[float(time[0])]

    task = DistillationTask(Denoiser(Perfect(), predicts), visited)
    batch = TrajectoryBatch(states=states, text=embed("01234"))
    assert float(task(batch)["loss"]) < 1e-10


def test_the_loss_is_the_mean_square_of_how_far_it_is_from_each_place():
    """A student that answers 0 stays where it began."""
    states, student = trajectories(5), Linear()
    task = DistillationTask(Denoiser(student, "flow"), levels(FLOW, STEPS))
    loss = task(TrajectoryBatch(states=states, text=embed("01234")))["loss"]
    torch.testing.assert_close(loss.detach(), (states[:, 1:] - states[:, :1]).square().mean())


def test_a_student_learns_to_arrive_where_a_hurried_teacher_does_not():
    student, visited = Linear(), levels(FLOW, STEPS)
    task = DistillationTask(Denoiser(student, "flow"), visited)
    config = replace(FIT, batch=4, learning_rate=0.1, precision="fp32")
    reports = list(Fit(task, batches(), config, steps=100).run())
    batch = batches().at(0)
    exact = batch.states[:, 0] / 2  # all of a Gaussian shrinks alike
    *_, hurried = dpmpp_2m(gaussian, batch.states[:, 0], visited)
    *_, kept = batch.states.unbind(1)
    error = (kept - exact).square().mean()
    assert float((hurried.x - exact).square().mean()) > 20 * float(error)
    assert reports[-1].losses["loss"] < 2 * float(error)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "from 1 to 16"),
        ({"minutes": None}, "give one of them"),
        ({"images": 10}, "give one of them"),
        ({"minutes": 0.0}, "above 0"),
        ({"epochs": 0.5}, "at least once"),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        DistillationConfig(**settings)


def test_every_prediction_can_be_distilled():
    for predicts in PREDICTIONS:
        schedule = SCHEDULES["edm" if predicts == "edm" else "linear"]()
        visited = levels(schedule, STEPS)
        student = Linear()
        task = DistillationTask(Denoiser(student, predicts), visited)
        text = embed("01234")

        class Flat(nn.Module):
            def __init__(self):
                super().__init__()
                self.factor = nn.Parameter(torch.ones(()))

            def forward(self, x, time, text):
                return self.factor * x

        task = DistillationTask(Denoiser(Flat(), predicts), visited)
        loss = task(TrajectoryBatch(states=trajectories(5), text=text))["loss"]
        loss.backward()
        assert torch.isfinite(loss)
