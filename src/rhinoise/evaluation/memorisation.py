"""The replica meter: whether a drawn picture is new, or a training picture come back.

The nearest training pictures are looked up in several views (pixels, latents, features). A distance alone
says little, a clock face is near to all clock faces; so it stands in proportion to the nearest 50's mean, the
ratio of Carlini et al. 2023, "Extracting training data from diffusion models": near 0 for a copy, near 1 for
a picture that is no nearer to one than to many.

Which ratio is suspicious depends on the data set. Its held-out pictures tell: no model has seen them, so what
they score is what a picture may score that is no replica.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from rhinoise.core.files import digest
from rhinoise.core.images import from_uint8
from rhinoise.core.shapes import Images
from rhinoise.data.latents import encoded
from rhinoise.data.pixels import Prepared

LABELS = ("replica", "near", "new")
SHARES = {"replica": 0.05, "near": 0.25}
"""Label => the part of real unseen pictures that may score so low, at most."""
CONFIDENCE = 0.9
"""How sure it is to be that no larger part does."""
LEAST = math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - SHARES["replica"]))
"""Pictures that `threshold` needs for the smallest share: 45, as 0.95^45 is less than 0.1."""
NEIGHBOURS = 50
"""How many training pictures the nearest one is compared with, or a quarter of them all."""
SIDE = 32
"""Pixels a side at which pictures are compared; larger ones are averaged down to it.

A copy that is shifted by one pixel, or decoded a little softer, is still a copy. Of the held-out pictures of
emoji_composed 89 % have the same nearest one at 64 x 64 pixels as at 32 x 32.
"""
BLOCK, BATCH = 512, 64
"""Pictures that are kept together, and seen at a time."""


# --- views: images => vectors


@dataclass(frozen=True, kw_only=True)
class View:
    """A way to look at pictures: Euclidean distances of its vectors are compared."""

    name: str
    key: str
    """What the vectors depend on beside the pictures: of what is kept on the disk."""
    look: Callable[[Images], Float[Tensor, "b f"]]


def small_pixels(images: Images) -> Float[Tensor, "b f"]:
    """Pictures averaged down to SIDE x SIDE; smaller ones as they are."""
    side = min(SIDE, images.shape[-1])
    return F.adaptive_avg_pool2d(images, side).flatten(1)


PIXELS = View(name="pixels", key=f"pixels {SIDE}", look=small_pixels)


def looked(view: View, images: Images) -> Float[Tensor, "b f"]:
    """The vectors of pictures, rounded as they are kept, so that a copy is at distance 0."""
    return torch.cat([view.look(part).half().float() for part in images.split(BATCH)])


Block = Float[np.ndarray, "_ f"]


def index(view: View, prepared: Prepared, rows: Int[np.ndarray, "n"], cache: Path) -> Iterator[Block]:
    """The vectors of these pictures, float16, BLOCK by BLOCK, kept in `cache` and mapped from there.

    Who leaves half-way finds the finished blocks again.
    """
    for start in range(0, len(rows), BLOCK):
        own = rows[start : start + BLOCK]
        key = digest("index", view.key, prepared.key, own.astype(np.int64).tobytes())
        yield encoded(cache, key, len(own), _chunks(view, prepared, own))["vectors"]


def _chunks(
    view: View, prepared: Prepared, rows: Int[np.ndarray, "n"]
) -> Iterator[dict[str, Float[np.ndarray, "_ f"]]]:
    for start in range(0, len(rows), BATCH):
        pixels = torch.from_numpy(prepared.array[rows[start : start + BATCH]])
        yield {"vectors": view.look(from_uint8(pixels)).half().numpy()}


# --- the nearest


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """For each picture the rows of its nearest training pictures and their distances, nearest first."""

    rows: Int[Tensor, "q k"]
    distances: Float[Tensor, "q k"]

    @property
    def ratios(self) -> Float[Tensor, "q"]:
        """The nearest distance over the mean of all `k`, in [0, 1]; 0 for a copy, be all `k` copies."""
        mean = self.distances.mean(dim=1)
        return torch.where(mean > 0, self.distances[:, 0] / mean, 0).clamp(max=1)


def neighbours(pictures: int) -> int:
    """How many of so many training pictures are looked up; at least 1, whose ratio says nothing."""
    return max(1, min(NEIGHBOURS, pictures // 4))


def nearest(vectors: Float[Tensor, "q f"], blocks: Sequence[Block], count: int) -> Nearest:
    """The `count` nearest of what `blocks` hold, exactly; all but the last hold as many rows.

    |x - q|^2 = |x|^2 - 2 x'q + |q|^2, and the last does not change the order: one matrix product a block, and
    one block in memory. Near 0 it cancels, so the distances of those that are kept come from differences.
    """
    found = torch.empty(len(vectors), 0)
    rows = torch.empty(len(vectors), 0, dtype=torch.int64)
    start = 0
    for block in blocks:
        x = torch.from_numpy(block.astype(np.float32))
        order = torch.cat([found, x.square().sum(dim=1) - 2 * vectors @ x.T], dim=1)
        here = torch.arange(start, start + len(x)).expand(len(vectors), -1)
        found, kept = order.topk(min(count, order.shape[1]), dim=1, largest=False)
        rows = torch.cat([rows, here], dim=1).gather(1, kept)
        start += len(x)
    distances = torch.stack(
        [_distances(vector, blocks, own) for vector, own in zip(vectors, rows.numpy(), strict=True)]
    )
    distances, kept = distances.sort(dim=1, stable=True)
    return Nearest(rows=rows.gather(1, kept), distances=distances)


def _distances(
    vector: Float[Tensor, "f"], blocks: Sequence[Block], rows: Int[np.ndarray, "k"]
) -> Float[Tensor, "k"]:
    each = len(blocks[0])
    own = np.stack([blocks[row // each][row % each] for row in rows])
    return torch.linalg.vector_norm(torch.from_numpy(own.astype(np.float32)) - vector, dim=1)


# --- what is suspicious


def threshold(scores: Sequence[float], share: float) -> float | None:
    """What at most `share` of pictures like these score below, with CONFIDENCE; None of too few.

    The number k of the n scores in rising order, k the largest for which at least k of n pictures would be in
    that share with probability CONFIDENCE, a binomial tail: exact at every n, for every distribution (Wilks
    1941, tolerance limits; Vovk 2012, "Conditional validity of inductive conformal predictors"). The plain
    rule of split conformal prediction, k = floor(share (n + 1)), keeps the share on average only: on half of
    all data sets the true part would be larger.
    """
    n = len(scores)
    below, place = 0.0, 0  # below: probability that at most `place` of n pictures are in the share
    while True:
        below += math.comb(n, place) * share**place * (1 - share) ** (n - place)
        if below > 1 - CONFIDENCE:
            return sorted(scores)[place - 1] if place else None
        place += 1


# --- the meter


@dataclass(frozen=True, kw_only=True)
class Match:
    """The nearest training picture in one view: its row, how far it is, and Carlini's ratio."""

    row: int
    distance: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the meter makes of a picture."""

    label: str | None
    """None where the meter is not calibrated."""
    score: float
    """The geometric mean of the views' ratios, in [0, 1]: a replica is near in every view."""
    matches: dict[str, Match]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How many of so many pictures have which label, as parts of 1, and their scores' median."""

    pictures: int
    labels: dict[str, float]
    """Empty where the meter is not calibrated, or where there is no picture."""
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Which scores mean what, by one half of the held-out pictures, and what that gives on the other half."""

    pictures: int
    """Of the half that it was calibrated on."""
    thresholds: dict[str, float]
    """Label => what a picture of it scores less than; empty where there are too few pictures."""
    tested: Rates

    @property
    def trusted(self) -> bool:
        """Whether there were pictures enough, and none of them all too like training pictures."""
        return bool(self.thresholds)

    def label(self, score: float) -> str | None:
        """What a picture of that score is."""
        if not self.trusted:
            return None
        return next((label for label in SHARES if score < self.thresholds[label]), "new")


def calibrated(scores: Sequence[float], others: Sequence[float]) -> Calibration:
    """Thresholds from the scores of one half of the held-out pictures, tested on the other half's."""
    found = {label: threshold(scores, share) for label, share in SHARES.items()}
    thresholds = {label: value for label, value in found.items() if value}
    known = thresholds if len(thresholds) == len(SHARES) else {}
    untested = Calibration(pictures=len(scores), thresholds=known, tested=rates([], []))
    labels = [untested.label(score) for score in others]
    return Calibration(pictures=len(scores), thresholds=known, tested=rates(labels, others))


def rates(labels: Sequence[str | None], scores: Sequence[float]) -> Rates:
    """How often each label was given."""
    counted = Counter(labels)
    told = {label: counted[label] / len(labels) for label in LABELS} if any(labels) else {}
    return Rates(pictures=len(labels), labels=told, score=float(np.median(scores)) if len(scores) else None)


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Training pictures as they look in every view, and what scores mean."""

    views: tuple[View, ...]
    indexes: Mapping[str, Sequence[Block]]
    """By name of the view."""
    calibration: Calibration

    def __call__(self, images: Images) -> list[Finding]:
        """What is found of each picture; `images` have the size of the training pictures."""
        vectors = {view.name: looked(view, images) for view in self.views}
        return [
            Finding(label=self.calibration.label(score(matches)), score=score(matches), matches=matches)
            for matches in matched(vectors, self.indexes)
        ]


def matched(
    vectors: Mapping[str, Float[Tensor, "q _"]], indexes: Mapping[str, Sequence[Block]]
) -> list[dict[str, Match]]:
    """Each picture's nearest training picture in every view."""
    found = {
        name: nearest(own, indexes[name], neighbours(sum(map(len, indexes[name]))))
        for name, own in vectors.items()
    }
    columns = {
        name: zip(one.rows[:, 0].tolist(), one.distances[:, 0].tolist(), one.ratios.tolist(), strict=True)
        for name, one in found.items()
    }
    return [
        {
            name: Match(row=row, distance=distance, ratio=ratio)
            for name, (row, distance, ratio) in zip(columns, each, strict=True)
        }
        for each in zip(*columns.values(), strict=True)
    ]


def score(matches: Mapping[str, Match]) -> float:
    """The geometric mean of the ratios."""
    return math.prod(match.ratio for match in matches.values()) ** (1 / len(matches))
