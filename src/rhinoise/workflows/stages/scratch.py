"""A training from scratch: the stages in order, and what each leaves to the next.

pictures => autoencoder => kept latents => text encoder => kept embeddings => denoiser => model folder
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from rhinoise.nets.text import TextEncoder
from rhinoise.workflows.events import Event
from rhinoise.workflows.stages.autoencoder import keep_latents, train_autoencoder
from rhinoise.workflows.stages.denoiser import Way, denoiser_stage, seconds_left
from rhinoise.workflows.stages.few_steps import distilled
from rhinoise.workflows.stages.plan import check_latents
from rhinoise.workflows.stages.stage import pictures_at_a_time, run_stage
from rhinoise.workflows.stages.text import text_stage
from rhinoise.workflows.stages.training import Training


def from_scratch(training: Training) -> Iterator[Event]:
    """All of it, in order."""
    recipe, text_encoder = training.recipe, training.text_encoder
    text = None
    if recipe.text_training == "contrastive" and isinstance(text_encoder, TextEncoder):
        text = text_stage(training, text_encoder)
    yield from training.begin()
    if text is not None:  # what cannot be done is refused before the autoencoder has taken its time
        yield from pictures_at_a_time(training.run, text)
    yield from train_autoencoder(training)
    latents = yield from keep_latents(training)
    check_latents(latents, training.autoencoder)
    if text is not None:
        yield from run_stage(training.run, training.clock, text)
    yield from _train_denoiser(training, latents)
    if recipe.distillation is not None:
        yield from distilled(
            training.run, training.clock, recipe, recipe.distillation, training.pictures.learnt
        )


def _train_denoiser(training: Training, latents: Float[np.ndarray, "n c h w"]) -> Iterator[Event]:
    """Noise the latents, ask for them back; afterwards the model is whole."""
    stage = denoiser_stage(
        training,
        latents,
        training.network,
        Way(),
        training.recipe.fit_denoiser,
        images=training.recipe.images_for("denoiser"),
        seconds=lambda: seconds_left(training),
    )
    yield from run_stage(training.run, training.clock, stage)
