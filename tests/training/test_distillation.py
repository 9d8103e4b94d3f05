"""A student follows its teacher: exact identities, and a teacher that is known in closed form."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.samplers import ddim, dpmpp_2m
from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.diffusion.timesteps import levels
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.training.distillation import (
    FIT,
    DistillationConfig,
    DistillationTask,
    SegmentBatch,
    SegmentBatches,
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
        place = (time / 1000 * STEPS).round().long().clamp(0, STEPS)
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


def batches(count: int = 12, size: int = 6) -> SegmentBatches:
    states = trajectories(count).half().numpy()
    return SegmentBatches(
        parts=np.split(states, 3), captions=[str(i) for i in range(count)], embed=embed, size=size, seed=0
    )


def whole(states: torch.Tensor) -> SegmentBatch:
    """Every step of these trajectories."""
    count = len(states)
    return SegmentBatch(
        x=states[:, :-1].flatten(0, 1),
        wanted=states[:, 1:].flatten(0, 1),
        place=torch.arange(STEPS).repeat(count),
        text=embed([str(i // STEPS) for i in range(STEPS * count)]),
    )


def test_an_epoch_is_every_step_of_every_trajectory_with_its_caption():
    kept, states = batches(), trajectories(12).half().float()
    seen = []
    for step in range(12 * STEPS // 6):
        batch = kept.at(step)
        assert torch.equal(batch.x, kept.at(step).x)
        rows = batch.text.pooled[:, 0].long()
        assert torch.equal(batch.x, states[rows, batch.place])
        assert torch.equal(batch.wanted, states[rows, batch.place + 1])
        seen += list(zip(rows.tolist(), batch.place.tolist(), strict=True))
    assert sorted(seen) == [(row, place) for row in range(12) for place in range(STEPS)]


@pytest.mark.parametrize("predicts", ["flow", "sample"])
def test_a_student_that_arrives_where_its_teacher_was_has_no_loss(predicts):
    """Answers in closed form: the velocity between two places is their difference over the time between."""
    batch, t = whole(trajectories(5)), 1 - torch.arange(STEPS).repeat(5)[:, None, None, None] / STEPS
    velocity = (batch.x - batch.wanted) * STEPS

    class Perfect(nn.Module):
        def forward(self, x, time, text):
            torch.testing.assert_close(time, 1000 * t.flatten())
            return velocity if predicts == "flow" else x - t * velocity

    task = DistillationTask(Denoiser(Perfect(), predicts), levels(FLOW, STEPS))
    assert float(task(batch)["loss"]) < 1e-10


def test_the_loss_is_the_mean_square_of_how_far_it_arrives_from_its_teacher():
    """A student whose velocity is 0 stays where it is."""
    batch, task = whole(trajectories(5)), DistillationTask(Denoiser(Linear(), "flow"), levels(FLOW, STEPS))
    torch.testing.assert_close(task(batch)["loss"].detach(), (batch.wanted - batch.x).square().mean())


def test_a_student_arrives_where_a_hurried_teacher_does_not():
    visited = levels(FLOW, STEPS)
    task = DistillationTask(Denoiser(Linear(), "flow"), visited)
    config = replace(FIT, batch=6, learning_rate=0.05, precision="fp32", checkpoint_seconds=1e9)
    for _ in Fit(task, batches(), config, steps=200).run():
        pass
    start = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1))
    exact = start / 2  # all of a Gaussian shrinks alike
    *_, hurried = dpmpp_2m(gaussian, start, visited)
    *_, distilled = ddim(task.student.told(embed("01234")), start, visited)
    errors = [float((step.x - exact).square().mean().detach()) for step in (hurried, distilled)]
    assert errors[1] < errors[0] / 20


@pytest.mark.parametrize("predicts", PREDICTIONS)
def test_every_prediction_gives_the_student_a_gradient(predicts):
    schedule = SCHEDULES["edm" if predicts == "edm" else "linear"]()
    student = Linear()
    student.factors.data += 1
    task = DistillationTask(Denoiser(student, predicts), levels(schedule, STEPS))
    loss = task(whole(trajectories(5)))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert bool(student.factors.grad.any())


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
