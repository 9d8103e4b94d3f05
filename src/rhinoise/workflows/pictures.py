"""The pictures of a training: read, prepared once, split, and their captions."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from rhinoise.core.files import cache_folder
from rhinoise.data.dataset import Dataset, split
from rhinoise.data.pixels import Preparation, Prepared, preparing
from rhinoise.data.pixels import Progress as Counted
from rhinoise.data.sources import open_dataset
from rhinoise.recipes.recipe import Recipe
from rhinoise.training.batches import Captions
from rhinoise.workflows.events import Event, Progress, Said

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The prepared pictures, their captions, and which are held out."""

    prepared: Prepared
    captions: Captions
    train: Int[np.ndarray, "m"]
    held_out: Int[np.ndarray, "k"]

    @property
    def judged(self) -> Int[np.ndarray, "k"]:
        """What scores are measured on: the held-out ones, or all of a set too small to hold any out."""
        return self.held_out if len(self.held_out) else self.train

    @property
    def learnt(self) -> list[str]:
        """Every caption of the pictures that are trained on."""
        first, count = self.captions.first[self.train], self.captions.count[self.train]
        return [
            self.captions.rows[start + i] for start, own in zip(first, count, strict=True) for i in range(own)
        ]

    def first_captions(self, indices: Int[np.ndarray, "k"]) -> list[str]:
        """The first caption of each of these pictures."""
        return [self.captions.rows[row] for row in self.captions.first[indices]]


def read_pictures(source: str, recipe: Recipe) -> Generator[Event, None, Pictures]:
    """Open the source, decode every picture once, say what was skipped, split."""
    data = recipe.data
    yield Said(f"reading the pictures of {source}")
    dataset = open_dataset(source, captions=data.captions, caption_lines=data.caption_lines)
    preparation = Preparation(size=recipe.size, fit=data.fit, background=data.background)
    prepared = yield from prepared_pictures(dataset, preparation)
    skipped = prepared.dataset.skipped
    examples = prepared.dataset.examples
    train_part, held_out = split(prepared.dataset, data.held_out)
    yield Said(
        f"{len(examples)} pictures, {len(held_out)} of them held out"
        + (f"; {len(skipped)} skipped: `rhinoise inspect` says why" if skipped else "")
    )
    return Pictures(
        prepared=prepared,
        captions=Captions.of([example.captions for example in examples]),
        train=np.array(train_part),
        held_out=np.array(held_out, dtype=np.int64),
    )


def prepared_pictures(dataset: Dataset, preparation: Preparation) -> Generator[Event, None, Prepared]:
    """Every picture decoded once, and kept."""
    work = preparing(dataset, preparation, cache_folder() / "pictures")
    return (yield from reported(work, "pictures"))


def reported(work: Generator[Counted, None, T], stage: str) -> Generator[Event, None, T]:
    """The same work, its counts of pictures told as events of a stage."""
    while True:
        try:
            seen = next(work)
        except StopIteration as end:
            return end.value
        yield Progress(stage=stage, done=seen.done, total=seen.total, unit="picture")


def spread(indices: Int[np.ndarray, "m"], count: int) -> Int[np.ndarray, "k"]:
    """At most `count` of these pictures, evenly from first to last."""
    return indices[np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(int)]
