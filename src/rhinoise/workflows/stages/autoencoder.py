"""The first stage: an autoencoder, and the latents of every picture, encoded once."""

import math
from collections.abc import Generator, Iterator
from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float

from rhinoise.core.files import cache_folder, digest
from rhinoise.core.shapes import Images
from rhinoise.data.latents import Arrays, centre, encoded
from rhinoise.evaluation.scores import autoencoder_score
from rhinoise.explain.plots.pictures import before_after_figure
from rhinoise.nets.discriminator import PatchDiscriminator
from rhinoise.nets.features import FEATURES
from rhinoise.nets.fingerprint import fingerprint
from rhinoise.nets.patch_autoencoder import MAX_PATCHES, PatchAutoencoder
from rhinoise.training.batches import ImageBatches, to_images
from rhinoise.training.tasks import AutoencoderTask
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.pictures import spread
from rhinoise.workflows.stages.build import seeded
from rhinoise.workflows.stages.stage import Stage, run_stage
from rhinoise.workflows.stages.training import CHUNK, LATENTS_KEY, SHOWN, Training


def train_autoencoder(training: Training) -> Iterator[Event]:
    """Pictures => pictures through few numbers."""
    recipe, pictures, autoencoder = training.recipe, training.pictures, training.autoencoder
    if not any(parameter.requires_grad for parameter in autoencoder.parameters()):
        return  # latents are pixels
    if isinstance(autoencoder, PatchAutoencoder):
        patches_each = (recipe.size // autoencoder.factor) ** 2
        some = spread(pictures.train, math.ceil(MAX_PATCHES / patches_each))
        autoencoder.start_from(to_images(pictures.prepared.array[some]))
    losses, critic = recipe.losses, None
    if recipe.discriminator is not None and losses.adversarial:
        critic = seeded(recipe.seed + 3, PatchDiscriminator, recipe.discriminator)
    features = FEATURES[losses.perceptual_features]() if losses.perceptual else None
    side = recipe.size // autoencoder.factor
    stage = Stage(
        name="autoencoder",
        task=AutoencoderTask(autoencoder, losses, discriminator=critic, features=features),
        batches=lambda steps: ImageBatches(
            pixels=pictures.prepared.array,
            indices=pictures.train,
            size=recipe.fit_autoencoder.batch,
            seed=recipe.seed,
            steps=steps,
            latent_shape=(autoencoder.latent_channels, side, side),
        ),
        config=recipe.fit_autoencoder,
        images=recipe.images_for("autoencoder"),
        seconds=lambda: recipe.seconds_for("autoencoder"),
        separable=critic is None,  # its norms see the batch as a whole
    )
    yield from run_stage(training.run, training.clock, stage)


def keep_latents(training: Training) -> Generator[Event, None, Float[np.ndarray, "n c h w"]]:
    """Encode every picture once; centre the autoencoder by what comes out of those that are learnt from.

    One that is centred already stays as it is: a trained denoiser knows its latents so.
    """
    array, autoencoder = training.pictures.prepared.array, training.autoencoder.eval().requires_grad_(False)
    train = training.pictures.train
    yield Said(f"encoding {len(array)} pictures")

    def chunks() -> Iterator[Arrays]:
        for start in range(0, len(array), CHUNK):
            yield {"latents": autoencoder.encode(to_images(array[start : start + CHUNK])).mode.numpy()}

    key = digest("latents", training.pictures.prepared.key, train.tobytes(), fingerprint(autoencoder))
    training.run.note(LATENTS_KEY, key)

    def finish(arrays: Arrays) -> Arrays:
        if autoencoder.measured:
            return {}
        return dict(zip(("mean", "std"), centre(arrays["latents"], train), strict=True))

    kept = encoded(cache_folder() / "latents", key, len(array), chunks(), finish)
    if not autoencoder.measured:
        autoencoder.set_statistics(
            torch.from_numpy(kept["mean"].copy()), torch.from_numpy(kept["std"].copy())
        )
    yield from _judged(training)
    return kept["latents"]


def _judged(training: Training) -> Iterator[Event]:
    """PSNR and SSIM on held-out pictures, and some of them before and after."""
    array, judged = training.pictures.prepared.array, training.pictures.judged
    autoencoder = training.autoencoder

    @torch.no_grad()
    def restored(images: Images) -> Images:
        return autoencoder.decode(autoencoder.encode(images).mode).clamp(-1, 1)

    batches = [to_images(array[judged[i : i + CHUNK]]) for i in range(0, len(judged), CHUNK)]
    score = autoencoder_score(restored, batches)
    training.run.note("autoencoder score", asdict(score))
    yield Said(f"autoencoder: PSNR {score.psnr:.1f} dB, SSIM {score.ssim:.3f} on {score.pictures} pictures")
    before = batches[0][: SHOWN // 2]
    yield training.figure("autoencoder.png", before_after_figure(before, restored(before)))
