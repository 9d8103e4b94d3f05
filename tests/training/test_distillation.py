"""A student answers as its teacher: exact identities, and a teacher that is known in closed form."""

from dataclasses import replace

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
    AnswerBatch,
    AnswerBatches,
    DistillationConfig,
    DistillationTask,
)
from rhinoise.training.fit import Fit

FLOW = SCHEDULES["flow"]()
STEPS = 4
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
    """E[x0 | x] for data of mean 0 and variance 1/4."""
    return level.alpha / (level.alpha**2 + 4 * level.sigma**2) * x


def drawings(count: int) -> torch.Tensor:
    """Of the Gaussian: where it stood in each of a few steps, and its answers there."""
    x = torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0))
    steps = list(dpmpp_2m(gaussian, x, levels(FLOW, STEPS)))
    places = [x, *(step.x for step in steps[:-1])]
    return torch.stack([torch.stack(places, dim=1), torch.stack([step.x0 for step in steps], dim=1)], dim=2)


def batches(count: int = 12, size: int = 6) -> AnswerBatches:
    kept = drawings(count).half().numpy()
    return AnswerBatches(
        parts=np.split(kept, 3), captions=[str(i) for i in range(count)], embed=embed, size=size, seed=0
    )


def whole(kept: torch.Tensor) -> AnswerBatch:
    """Every step of these drawings."""
    count = len(kept)
    return AnswerBatch(
        x=kept[:, :, 0].flatten(0, 1),
        x0=kept[:, :, 1].flatten(0, 1),
        place=torch.arange(STEPS).repeat(count),
        text=embed([str(i // STEPS) for i in range(STEPS * count)]),
    )


def test_an_epoch_is_every_step_of_every_drawing_with_its_caption():
    kept, all_of_it = batches(), drawings(12).half().float()
    seen = []
    for step in range(12 * STEPS // 6):
        batch = kept.at(step)
        assert torch.equal(batch.x, kept.at(step).x)
        rows = batch.text.pooled[:, 0].long()
        assert torch.equal(batch.x, all_of_it[rows, batch.place, 0])
        assert torch.equal(batch.x0, all_of_it[rows, batch.place, 1])
        seen += list(zip(rows.tolist(), batch.place.tolist(), strict=True))
    assert sorted(seen) == [(row, place) for row in range(12) for place in range(STEPS)]


@pytest.mark.parametrize("predicts", ["flow", "sample"])
def test_a_student_that_answers_as_its_teacher_has_no_loss(predicts):
    """In closed form: x = (1 - t) x0 + t eps, so the velocity eps - x0 is (x - x0) / t."""
    batch, t = whole(drawings(5)), 1 - torch.arange(STEPS).repeat(5)[:, None, None, None] / STEPS

    class Perfect(nn.Module):
        def forward(self, x, time, text):
            torch.testing.assert_close(time, 1000 * t.flatten())
            return (x - batch.x0) / t if predicts == "flow" else batch.x0

    task = DistillationTask(Denoiser(Perfect(), predicts), levels(FLOW, STEPS))
    assert float(task(batch)["loss"]) < 1e-10


def test_the_loss_is_the_mean_square_of_the_answers_difference():
    """A student whose velocity is 0 answers with what it sees."""
    batch, task = whole(drawings(5)), DistillationTask(Denoiser(Linear(), "flow"), levels(FLOW, STEPS))
    torch.testing.assert_close(task(batch)["loss"].detach(), (batch.x0 - batch.x).square().mean())


def test_a_student_comes_to_draw_what_its_teacher_draws():
    visited = levels(FLOW, STEPS)
    task = DistillationTask(Denoiser(Linear(), "flow"), visited)
    config = replace(FIT, batch=6, learning_rate=0.05, precision="fp32", checkpoint_seconds=1e9)
    start = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1))
    *_, wanted = dpmpp_2m(gaussian, start, visited)
    errors = []
    for steps in (1, 200):
        for _ in Fit(task, batches(), config, steps=steps).run():
            pass
        *_, drawn = dpmpp_2m(task.student.told(embed("01234")), start, visited)
        errors.append(float((drawn.x - wanted.x).square().mean().detach()))
    assert errors[1] < errors[0] / 100


@pytest.mark.parametrize("predicts", PREDICTIONS)
def test_every_prediction_gives_the_student_a_gradient(predicts):
    schedule = SCHEDULES["edm" if predicts == "edm" else "linear"]()
    student = Linear()
    student.factors.data += 1
    task = DistillationTask(Denoiser(student, predicts), levels(schedule, STEPS))
    loss = task(whole(drawings(5)))["loss"]
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
