"""What a training would be like, from a few steps of its longest stage on the very pictures."""

import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rhinoise.core.memory import Growth, watched
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training.fit import seconds_per_step
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.pictures import read_pictures
from rhinoise.workflows.stages.build import build
from rhinoise.workflows.stages.denoiser import Way, denoiser_stage
from rhinoise.workflows.stages.plan import check_losses, check_prediction, check_shapes
from rhinoise.workflows.stages.stage import Clock
from rhinoise.workflows.stages.training import Training

STEPS = 100
"""Steps that batches are planned for; few of them are taken."""


@dataclass(frozen=True, kw_only=True)
class ForecastRequest:
    """On which pictures, by which recipe, from scratch."""

    source: str
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What was measured here and now."""

    seconds_per_step: float
    """Of the denoiser."""
    batch: int
    """Pictures of a step."""
    share: float
    """The denoiser's part of the time."""
    pictures: int
    """That are learnt from."""
    bytes: int
    """Of memory beyond what the process held."""


@device_errors_told("or take smaller pictures (--size)")
def forecast(request: ForecastRequest) -> Generator[Event, None, Forecast]:
    """Time the denoiser on noise in place of latents, which are as large; nothing is kept but pictures."""
    recipe = request.recipe
    check_prediction(recipe)
    check_losses(recipe)
    autoencoder, network = (
        build(recipe.autoencoder, seed=recipe.seed),
        build(recipe.network, seed=recipe.seed),
    )
    check_shapes(recipe, autoencoder)
    growth = Growth()
    with tempfile.TemporaryDirectory() as folder, watched(growth):
        run = RunFolder(Path(folder))
        pictures = yield from read_pictures(request.source, recipe)
        training = Training(run, Clock(run), recipe, pictures, autoencoder, network)
        side = recipe.size // autoencoder.factor
        shape = (len(pictures.prepared), autoencoder.latent_channels, side, side)
        latents = np.random.default_rng(recipe.seed).standard_normal(shape, dtype=np.float32)
        stage = denoiser_stage(
            training, latents, network, Way(), recipe.fit_denoiser, images=None, seconds=lambda: 0.0
        )
        yield Said("timing some steps")
        seconds = seconds_per_step(stage.task, stage.batches(STEPS), stage.config)
    return Forecast(
        seconds_per_step=seconds,
        batch=stage.config.batch,
        share=recipe.shares.denoiser,
        pictures=len(pictures.train),
        bytes=growth.bytes,
    )
