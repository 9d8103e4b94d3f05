"""A batch in parts is the same batch; how large a part may be is tried without ever taking too much."""

import copy
import math
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.objective import WEIGHTS, ObjectiveConfig
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.features import RandomConv
from rhinoise.nets.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.training import memory
from rhinoise.training.batches import DenoisingBatch, ImageBatch, in_parts
from rhinoise.training.engine import Engine
from rhinoise.training.fit import Fit, FitConfig
from rhinoise.training.memory import SHARE, downwards, even, fitting, upwards
from rhinoise.training.tasks import AutoencoderLosses, AutoencoderTask, DenoisingTask

BATCH = 6


def images():
    return torch.rand(BATCH, 3, 16, 16) * 2 - 1


def autoencoding():
    model = PatchAutoencoder(PatchAutoencoderConfig(factor=4, latent_channels=4, width=8, blocks=1))
    batch = ImageBatch(images=images(), noise=torch.randn(BATCH, 4, 4, 4), progress=0.7)
    losses = AutoencoderLosses(perceptual=0.5, kl=0.1)
    return AutoencoderTask(model, losses, features=RandomConv()), batch


def embedding(count):
    return TextEmbedding(
        tokens=torch.randn(count, 3, 8), mask=torch.rand(count, 3) > 0.3, pooled=torch.randn(count, 8)
    )


def denoising(weight):
    config = TransformerConfig(
        sample_size=4,
        channels=4,
        patch_size=1,
        width=16,
        depth=1,
        heads=2,
        text="in_context",
        text_width=8,
        pooled_width=8,
    )
    network = Transformer(config)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    batch = DenoisingBatch(
        x0=torch.randn(BATCH, 4, 4, 4),
        eps=torch.randn(BATCH, 4, 4, 4),
        uniforms=(torch.arange(BATCH) + 0.5) / BATCH,
        dropped=torch.arange(BATCH) % 2 == 0,
        text=embedding(BATCH),
    )
    flow, objective = ScheduleConfig(name="flow").build(), ObjectiveConfig(weight=weight)
    return DenoisingTask(Denoiser(network, "flow"), flow, objective, unconditional=embedding(1)), batch


CASES = {"autoencoder": autoencoding} | {
    f"denoiser, {weight}": lambda weight=weight: denoising(weight) for weight in WEIGHTS
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("part", [1, 2, 4, 5])
def test_parts_have_the_gradient_and_the_losses_of_the_whole(case, part):
    torch.manual_seed(0)
    task, batch = CASES[case]()
    given = []

    def stepped(task, parts):
        engine = Engine(task, optimizer="adamw", weight_decay=0.0, clip=1e9, precision="fp32")
        for name, parameter in engine.trained.items():
            parameter.register_post_accumulate_grad_hook(
                lambda parameter, name=name: given[-1].update({name: parameter.grad.clone()})
            )
        given.append({})
        return engine.step(parts, 0.0)

    (whole, norm), (summed, same) = (
        stepped(copy.deepcopy(task), in_parts(batch, BATCH, size)) for size in (BATCH, part)
    )
    assert whole.keys() == summed.keys()
    for name, value in whole.items():
        torch.testing.assert_close(summed[name], value, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(same, norm, rtol=1e-5, atol=0)
    assert len(given[0]) > 10
    for name, gradient in given[0].items():
        torch.testing.assert_close(given[1][name], gradient, rtol=1e-4, atol=1e-6)


@given(pictures=st.integers(1, 200), part=st.integers(1, 200))
def test_parts_are_the_batch_in_its_order(pictures, part):
    batch = ImageBatch(torch.arange(3.0 * pictures).view(-1, 3, 1, 1), torch.zeros(pictures, 1, 1, 1), 0.3)
    parts = in_parts(batch, pictures, part)
    assert torch.equal(torch.cat([few.images for few, _ in parts]), batch.images)
    assert {few.progress for few, _ in parts} == {0.3}
    assert math.isclose(sum(share for _, share in parts), 1)
    assert all(share == len(few.noise) / pictures for few, share in parts)
    assert all(len(few.images) <= part for few, _ in parts)
    if part >= pictures:
        assert parts == [(batch, 1.0)]
    least = even(min(part, pictures), pictures)
    assert len(in_parts(batch, pictures, least)) == len(parts)
    assert least == 1 or len(in_parts(batch, pictures, least - 1)) > len(parts)


@given(
    batch=st.integers(1, 300),
    fixed=st.floats(0, 100),
    each=st.floats(0.01, 10),
    room=st.floats(0.1, 2000),
    bend=st.floats(0.7, 1),
)
def test_upwards_never_takes_more_than_there_is(batch, fixed, each, room, bend):
    """Needs grow with the pictures, at most in proportion."""
    tried = []

    def taken(part):
        tried.append(part)
        return fixed + each * part**bend

    part = upwards(taken, batch, room)
    assert all(taken(size) <= room for size in tried[1:])
    assert 0 <= part <= batch
    assert part == 0 or taken(part) <= room
    assert part == batch or taken(min(2 * part, batch) if part else 1) > 0.5 * room


def test_what_fails_when_tried_does_not_fit():
    assert upwards(lambda part: part if part <= 8 else math.inf, 64, 100.0) == 8
    assert upwards(lambda part: math.inf, 64, 100.0) == 0


@given(batch=st.integers(1, 300), fits=st.integers(0, 300))
def test_downwards_halves_until_it_does_not_fail(batch, fits):
    part = downwards(lambda part: part <= fits, batch)
    assert part <= fits
    assert part == batch or 2 * part >= fits or part == 0 == fits


class Wide(nn.Module):
    """A step takes about 16 times WIDTH numbers a picture; nothing else is large."""

    WIDTH = 2**20

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, batch):
        x = batch.expand(-1, self.WIDTH)
        return {"loss": (x * self.scale).sin().cos().mean()}


@dataclass(frozen=True)
class Columns:
    size: int

    def at(self, step):
        return torch.linspace(0, 1, self.size)[:, None]


CONFIG = FitConfig(batch=16, learning_rate=1e-3, precision="fp32")
PICTURE = 16 * 4 * Wide.WIDTH


@pytest.mark.parametrize(("pictures", "parts"), [(0.2, {0}), (4.5, {2, 4}), (11, {4, 8}), (60, {16})])
def test_what_fits_is_found_by_trying(monkeypatch, pictures, parts):
    """Parts double; one step less than possible is no fault, what this process holds being shaky."""
    monkeypatch.setattr(memory, "free_memory", lambda: int(pictures * PICTURE / SHARE))
    assert fitting(Wide(), Columns(16), CONFIG) in parts


def test_where_there_is_enough_nothing_is_split():
    assert fitting(Wide(), Columns(6), replace(CONFIG, batch=6)) == 6


def test_weights_alone_may_be_too_much(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2**20)
    assert fitting(nn.Linear(300, 300), Columns(6), CONFIG) == 0


def test_finding_out_changes_nothing():
    task, state = Wide(), torch.random.get_rng_state()
    fitting(task, Columns(6), CONFIG)
    assert float(task.scale.detach()) == 1
    assert task.scale.grad is None
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_training_in_parts_is_the_same_training():
    torch.manual_seed(0)
    task, batch = CASES["denoiser, uniform"]()

    @dataclass(frozen=True)
    class Same:
        size: int = BATCH

        def at(self, step):
            return batch

    config = FitConfig(batch=BATCH, learning_rate=1e-3, precision="fp32")
    losses = [
        [
            report.losses["loss"]
            for report in Fit(copy.deepcopy(task), Same(), config, steps=20, part=part).run()
        ]
        for part in (None, BATCH, 2)
    ]
    assert losses[0] == losses[1]
    assert losses[2] == pytest.approx(losses[0], rel=1e-3)
