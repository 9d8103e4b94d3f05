"""How good drawn pictures are, beside controls of the same number."""

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.quality.pictures import Pictures
from rhinoise.core.images import from_uint8
from rhinoise.core.random import generator
from rhinoise.evaluation.distribution import frechet_distance, kernel_distance
from rhinoise.evaluation.metrics import retrieval
from rhinoise.evaluation.scores import embedded
from rhinoise.nets.features import FEATURES

FEATURE_SPACE = "efficientnet_lite0"


class Judge:
    """Knows the real pictures; nobody who is judged has ever seen its features.

    The training pictures are halved at random: one half is what everything is compared to, the control "real"
    comes from the other.
    """

    def __init__(self, pictures: Pictures, cache: Path) -> None:
        self.pictures, self.cache = pictures, cache
        order = torch.randperm(len(pictures.train), generator=generator("halves")).tolist()
        rows = [pictures.train[place] for place in order]
        self.reference_rows, self.other_rows = rows[: len(rows) // 2], rows[len(rows) // 2 :]

    @cached_property
    def features(self) -> Any:
        """The view in which pictures are compared."""
        return FEATURES[FEATURE_SPACE]()

    def seen(self, array: np.ndarray) -> Tensor:
        """Pictures as uint8 => their features."""
        parts = [embedded(self.features, from_uint8(torch.from_numpy(part))) for part in _chunks(array)]
        return torch.cat(parts)

    @cached_property
    def real(self) -> Tensor:
        """The features of every real picture, kept on the disk."""
        file = self.cache / "real.npy"
        if not file.is_file():
            np.save(file.with_suffix(".tmp.npy"), self.seen(self.pictures.array).numpy())
            file.with_suffix(".tmp.npy").replace(file)
        return torch.from_numpy(np.load(file, allow_pickle=False))

    def score(self, array: np.ndarray, *, by_caption: bool) -> dict[str, Any]:
        """Frechet and kernel distance; retrieval where captions were asked for."""
        seen, reference = self.seen(array), self.real[self.reference_rows]
        kernel = kernel_distance(seen, reference)
        found = {
            "frechet": frechet_distance(seen, reference),
            "kid": 1000 * kernel.mean,
            "kid_error": 1000 * kernel.error,
        }
        return found | (self.retrieved(seen) if by_caption else {})

    def retrieved(self, seen: Tensor) -> dict[str, Any]:
        """Held-out captions among all held-out pictures, training captions among GALLERY."""
        pictures, split = self.pictures, self.pictures.asked_held_out
        held_out, gallery = pictures.held_out, pictures.gallery()
        own = {row: place for place, row in enumerate(held_out)}
        target = torch.tensor([own[row] for row in pictures.asked[:split]])
        known = seen[split:][: len(gallery)]
        return {
            "held_out": asdict(retrieval(seen[:split], self.real[held_out], target)),
            "seen": asdict(retrieval(known, self.real[gallery], torch.arange(len(known)))),
        }

    def controls(self, samples: int) -> dict[str, dict[str, Any]]:
        """What real pictures, grey ones and noise score at the same number."""
        shape = (samples, *self.pictures.array.shape[1:])
        drawn = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        arrays = {
            "real": self.pictures.array[self.other_rows[:samples]],
            "grey": np.full(shape, 128, dtype=np.uint8),
            "noise": drawn,
        }
        return {name: self.score(array, by_caption=False) for name, array in arrays.items()}


def _chunks(array: np.ndarray) -> list[np.ndarray]:
    return np.array_split(array, max(1, len(array) // 256))
