"""The second stage: a text encoder that captions and pictures teach, and every caption's embedding."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Int

from rhinoise.core.files import cache_folder, digest
from rhinoise.core.shapes import TextEmbedding
from rhinoise.data.latents import Arrays, encoded
from rhinoise.nets.contrastive import ImageTower
from rhinoise.nets.text import TextEncoder
from rhinoise.training.batches import CaptionedBatches
from rhinoise.training.tasks import ContrastiveTask
from rhinoise.workflows.stages.build import seeded
from rhinoise.workflows.stages.stage import Stage
from rhinoise.workflows.stages.training import CHUNK, Training


def text_stage(training: Training, text_encoder: TextEncoder) -> Stage:
    """Captions and pictures that belong together find each other."""
    recipe, pictures = training.recipe, training.pictures
    tower = seeded(recipe.seed + 4, ImageTower, recipe.contrastive, pooled_width=text_encoder.pooled_width)
    return Stage(
        name="text",
        task=ContrastiveTask(text_encoder, tower),
        batches=lambda steps: CaptionedBatches(
            pixels=pictures.prepared.array,
            indices=pictures.train,
            captions=pictures.captions,
            tokens=text_encoder.tokenize(pictures.captions.rows),
            size=recipe.fit_text.batch,
            seed=recipe.seed,
        ),
        config=recipe.fit_text,
        images=recipe.images_for("text"),
        seconds=lambda: recipe.seconds_for("text"),
        separable=False,
    )


def keep_embeddings(training: Training) -> Callable[[Int[np.ndarray, "b"]], TextEmbedding]:
    """Encode every caption once => rows to their embeddings."""
    rows, text_encoder = training.pictures.captions.rows, training.text_encoder.eval()

    def chunks() -> Iterator[Arrays]:
        for start in range(0, len(rows), CHUNK):
            with torch.no_grad():
                text = text_encoder.encode(rows[start : start + CHUNK])
            text = text.to("cpu")  # a model that was looked at has left the encoder on its device
            yield {
                "tokens": text.tokens.numpy(),
                "mask": text.mask.numpy(),
                "pooled": text.pooled.numpy(),
            }

    key = digest("text", text_encoder.fingerprint, *rows)
    kept = encoded(cache_folder() / "text", key, len(rows), chunks())
    return lambda chosen: TextEmbedding(
        **{name: torch.from_numpy(array[chosen]) for name, array in kept.items()}
    )
