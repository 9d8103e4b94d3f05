"""Every recipe, at every size: it is written down and read back, its plan holds, and it makes a step."""

import json
from dataclasses import replace

import pytest
import torch

from rhinoise.core.config import from_json, overridden, override, to_json
from rhinoise.core.errors import ConfigError, PlanError, UnknownNameError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.nets.contrastive import ImageTower
from rhinoise.nets.text import TextEncoder
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.recipes import RECIPES, Recipe
from rhinoise.recipes.recipe import Shares
from rhinoise.training.batches import CaptionedBatch, DenoisingBatch, ImageBatch
from rhinoise.training.fit import Fit
from rhinoise.training.tasks import AutoencoderTask, ContrastiveTask, DenoisingTask
from rhinoise.workflows.stages.build import build, build_text_encoder
from rhinoise.workflows.stages.plan import (
    check_losses,
    check_prediction,
    check_shapes,
    check_text,
    network_channels,
)

SIZES = (64, 128, 256)
CAPTIONS = ["a rhinoceros", "a hippopotamus"]

pytestmark = pytest.mark.parametrize("name", RECIPES)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_written_down_and_read_back(name, size):
    recipe = RECIPES[name](size)
    assert recipe.name == name
    assert recipe.size == size
    assert from_json(Recipe, json.loads(json.dumps(to_json(recipe)))) == recipe


@pytest.mark.parametrize("size", SIZES)
def test_its_plan_holds(name, size):
    """On the meta device: shapes without numbers."""
    recipe = RECIPES[name](size)
    with torch.device("meta"):
        autoencoder, network = build(recipe.autoencoder, seed=0), build(recipe.network, seed=0)
        text_encoder = build_text_encoder(recipe.text, CAPTIONS, seed=0)
        images = torch.zeros(2, 3, size, size)
        latents = autoencoder.encode(images).mode
        side = size // autoencoder.factor
        assert latents.shape == (2, autoencoder.latent_channels, side, side)
        assert autoencoder.decode(latents).shape == images.shape
        text = TextEmbedding(
            tokens=torch.zeros(2, 3, text_encoder.width),
            mask=torch.ones(2, 3, dtype=torch.bool),
            pooled=torch.zeros(2, text_encoder.pooled_width),
        )
        if name == "stock":  # the tables of the others are kept on a real device
            assert network(latents, torch.zeros(2), text).shape == latents.shape
    check_shapes(recipe, autoencoder)
    check_text(recipe, text_encoder)
    check_losses(recipe)
    check_prediction(recipe)


@pytest.mark.parametrize("stage", ["autoencoder", "text", "denoiser"])
def test_every_stage_makes_a_step(name, stage):
    recipe = RECIPES[name](64)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    encoder = build_text_encoder(recipe.text, CAPTIONS, seed=0)
    side = recipe.network.sample_size
    latent = (2, network_channels(recipe.network)[1], side, side)
    if stage == "autoencoder":
        batch = ImageBatch(images=images, noise=torch.randn(latent), progress=0.0)
        task = AutoencoderTask(build(recipe.autoencoder, seed=0), recipe.losses)
    elif stage == "text":
        assert isinstance(encoder, TextEncoder)
        batch = CaptionedBatch(images=images, tokens=encoder.tokenize(CAPTIONS))
        task = ContrastiveTask(encoder, ImageTower(recipe.contrastive, pooled_width=encoder.pooled_width))
    else:
        with torch.no_grad():
            text, free = encoder.encode(CAPTIONS), encoder.encode([""])
        batch = DenoisingBatch(
            x0=torch.randn(latent),
            eps=torch.randn(latent),
            uniforms=torch.tensor([0.2, 0.7]),
            dropped=torch.tensor([True, False]),
            text=text,
        )
        denoiser = Denoiser(build(recipe.network, seed=0), recipe.prediction)
        task = DenoisingTask(denoiser, recipe.schedule.build(), recipe.objective, unconditional=free)

    class Two:
        size = 2

        def at(self, step):
            return batch

    first, second = Fit(task, Two(), getattr(recipe, f"fit_{stage}"), steps=2).run()
    assert second.losses["loss"] != first.losses["loss"]


@pytest.mark.parametrize("size", [0, 20, 63, 65, -64])
def test_a_size_that_does_not_divide_is_refused_with_those_that_do(name, size):
    with pytest.raises(PlanError, match=rf"--size {size} is not a multiple of \d+.*: take \d+ or \d+"):
        RECIPES[name](size)


def test_settings_can_be_changed(name):
    recipe = RECIPES[name](64)
    changed = override(recipe, "fit_denoiser.batch=3")
    assert changed == replace(recipe, fit_denoiser=replace(recipe.fit_denoiser, batch=3))
    assert overridden(recipe, ["minutes=30", "images=null"]).seconds_for("total") == 1800


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("fit_denoiser.bach=3", "did you mean 'batch'"),
        ("fit_denoisr.batch=3", "did you mean 'fit_denoiser'"),
        ("fit_denoiser.batch=many", "should be of type int"),
        ("fit_denoiser.batch=0", "at least one picture"),
        ("fit_denoiser.precision=bf", "did you mean 'bf16'"),
        ("sampling.sampler=dpm", "did you mean 'dpmpp_2m'"),
        ("schedule.name=flw", "did you mean 'flow'"),
        ("schedule.beta_start=0.1", "has no setting 'beta_start'"),
        ("text_training=join", "did you mean 'joint'"),
        ("shares.text=0.9", "add up to 1"),
        ("caption_dropout=1", "from 0 to below 1"),
        ('network={"kind": "ResNet"}', "UNetConfig"),
    ],
)
def test_what_cannot_be_is_refused(name, assignment, says):
    with pytest.raises((ConfigError, UnknownNameError)) as error:
        override(RECIPES[name](64), assignment)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("minutes", "images", "says"),
    [(None, None, "one of them"), (10.0, 100, "one of them"), (0.0, None, "above 0"), (None, -5, "above 0")],
)
def test_a_budget_is_one_and_above_nothing(name, minutes, images, says):
    with pytest.raises(ConfigError, match=says):
        replace(RECIPES[name](64), minutes=minutes, images=images)


def test_a_budget_in_pictures_is_shared_out(name):
    shares = Shares(autoencoder=0.3, text=0.2, denoiser=0.5)
    recipe = replace(RECIPES[name](64), minutes=None, images=1000, shares=shares)
    assert [recipe.images_for(stage) for stage in ("autoencoder", "text", "denoiser")] == [600, 400, 1000]
    in_minutes = replace(recipe, minutes=10.0, images=None)
    assert in_minutes.images_for("denoiser") is None
    assert [in_minutes.seconds_for(stage) for stage in ("autoencoder", "text", "denoiser", "total")] == [
        180.0,
        120.0,
        300.0,
        600.0,
    ]
