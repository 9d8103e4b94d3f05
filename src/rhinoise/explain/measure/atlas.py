"""A space of pictures: where each lies, which lie near it, and whether neighbours share a label.

Every measure reads the inner products or the distances of all pairs, n^2 numbers: 100 MB for 5,000 pictures.
Whoever has many more takes some of them.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rhinoise.core.errors import ConfigError, MissingPackageError
from rhinoise.core.random import generator

LEAST = 4
"""Pictures of which two are not always each other's nearest."""
BLOCK = 1024
"""Rows of the inner products that are computed at a time."""
_SPARE = 13
"""Directions that are iterated beside the wanted ones: convergence goes by the first that is left out."""
_ITERATIONS, _TOLERANCE = 500, 1e-6


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Points in few dimensions, and the share of the variance that each axis keeps (none: not linear)."""

    points: Float[Tensor, "n k"]
    kept: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Purity:
    """How often a picture's nearest neighbour has its label."""

    value: float
    chance: float
    """The same for a neighbour taken blindly."""
    error: float
    """Standard error of `value`."""
    pictures: int
    """That could have been right: some other picture, not made from the same one, has their label."""


def inner_products(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Of every two vectors, from the vectors' mean; ConfigError where all are the same, or too few."""
    if len(vectors) < LEAST:
        raise ConfigError(f"an atlas takes {LEAST} pictures at least, not {len(vectors)}: give more of them")
    centred = (vectors - vectors.mean(0)).float()
    if centred.abs().max() <= 1e-6 * vectors.abs().max():
        raise ConfigError(
            f"all {len(vectors)} pictures are the same to the model, and lie in one point: give pictures "
            "that differ"
        )
    inner = centred.new_empty(len(centred), len(centred))
    for start in range(0, len(centred), BLOCK):
        end = start + BLOCK
        # What lies above the diagonal lies below it too.
        inner[start:end, start:] = centred[start:end] @ centred[start:].T
        inner[end:, start:end] = inner[start:end, end:].T
    return inner


def distances(inner: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """Euclidean, of every two vectors, from their inner products; 0 on the diagonal."""
    square = inner.diagonal()
    found = inner.mul(-2).add_(square[:, None]).add_(square[None, :]).clamp_(min=0).sqrt_()
    return found.fill_diagonal_(0)


def pca(inner: Float[Tensor, "n n"], axes: int = 3) -> Projection:
    """The principal components (Pearson 1901): the `axes` directions in which the vectors differ most.

    Exact, by orthogonal iteration on the inner products, until the directions stand still. Each axis points
    to where its farthest picture lies.
    """
    n = len(inner)
    basis = torch.linalg.qr(torch.randn(n, min(n, axes + _SPARE), generator=generator("pca"))).Q
    variances = torch.zeros(basis.shape[1])
    for _ in range(_ITERATIONS):
        before, product = variances, inner @ basis
        variances, turn = torch.linalg.eigh(basis.T @ product)
        basis = torch.linalg.qr(product @ turn.flip(1)).Q
        variances = variances.flip(0)
        if (variances - before)[:axes].abs().max() <= _TOLERANCE * variances[0]:
            break
    top, total = variances[:axes].clamp(min=0), inner.diagonal().sum()
    points = basis[:, :axes] * top.sqrt()
    points = points * points.gather(0, points.abs().argmax(0, keepdim=True)).sign()
    return Projection(points=points, kept=tuple((top / total).tolist()))


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Where any other vector lies on the axes of a PCA: its way from their mean along each direction."""

    mean: Float[Tensor, "d"]
    directions: Float[Tensor, "k d"]

    def points(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Where these lie."""
        return (vectors - self.mean) @ self.directions.T


def axes_of(vectors: Float[Tensor, "n d"], points: Float[Tensor, "n k"]) -> Axes:
    """The axes of a PCA that laid the vectors X (less their mean) at the points P = U S: V' = P' X / S^2."""
    mean, squares = vectors.mean(0), points.square().sum(0)
    # An axis on which nothing differs has no direction.
    directions = (points.T @ (vectors - mean)) / squares.clamp(min=1e-12 * float(squares.max()))[:, None]
    return Axes(mean=mean, directions=directions)


def umap(vectors: Float[Tensor, "n d"], axes: int = 3, *, neighbours: int = 15) -> Projection:
    """Neighbours kept near and the rest let go (McInnes et al. 2018).

    Far distances and directions then mean nothing. MissingPackageError without umap-learn.
    """
    try:
        from umap import UMAP
    except ModuleNotFoundError:
        raise MissingPackageError("a UMAP", "umap-learn") from None
    near = min(neighbours, len(vectors) - 1)
    # With a seed it works with one thread; said here, it need not warn of it.
    fit = UMAP(n_components=axes, n_neighbors=near, init="pca", random_state=0, n_jobs=1)
    return Projection(points=torch.from_numpy(fit.fit_transform(vectors.numpy())).float())


def codes(labels: Sequence[Hashable]) -> Int[Tensor, "n"]:
    """Labels as whole numbers from 0, in the order in which they first come."""
    number = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return torch.tensor([number[label] for label in labels], dtype=torch.int64)


def differ(origins: Sequence[frozenset[str]]) -> Bool[Tensor, "n n"]:
    """Which pairs of pictures share none of what they were made from; never a picture and itself."""
    most = max(map(len, origins))
    padded = [[*own, *[next(iter(own))] * (most - len(own))] for own in map(sorted, origins)]
    columns = codes([origin for own in padded for origin in own]).reshape(len(origins), most).unbind(1)
    apart = torch.ones(len(origins), len(origins), dtype=torch.bool)
    for here in columns:
        for there in columns:
            apart &= here[:, None] != there[None, :]
    return apart


def nearest(
    apart: Float[Tensor, "n n"], count: int, allowed: Bool[Tensor, "n n"] | None = None
) -> Int[Tensor, "n k"]:
    """The `count` nearest others of each, nearest first; only such as are `allowed`, where that is given."""
    shut = torch.eye(len(apart), dtype=torch.bool) if allowed is None else ~allowed
    return apart.masked_fill(shut, torch.inf).topk(min(count, len(apart) - 1), largest=False).indices


def purity(
    apart: Float[Tensor, "n n"], labels: Sequence[Hashable], allowed: Bool[Tensor, "n n"]
) -> Purity | None:
    """How often the nearest allowed neighbour has the same label; None where no pair has.

    `allowed` is what `differ` gives: a mirrored picture is near its original, which says nothing of meaning.
    """
    code = codes(labels)
    same = (code[:, None] == code[None, :]) & allowed
    able = same.any(1)  # so every one of these has a neighbour that is allowed
    if not able.any():
        return None
    hit = code[nearest(apart, 1, allowed)[:, 0]] == code
    value, number = float(hit[able].double().mean()), int(able.sum())
    return Purity(
        value=value,
        chance=float((same.sum(1) / allowed.sum(1))[able].mean()),
        error=(value * (1 - value) / number) ** 0.5,
        pictures=number,
    )


def silhouette(apart: Float[Tensor, "n n"], labels: Sequence[Hashable]) -> float | None:
    """How much nearer the own label is than the next one (Rousseeuw 1987), from -1 to 1, over all pictures.

    A picture whose label nobody shares counts as 0, as is usual. None with a single label.
    """
    code = codes(labels)
    sizes = code.bincount()
    if len(sizes) < 2:
        return None
    sums = apart.new_zeros(len(apart), len(sizes)).index_add_(1, code, apart)
    own = sums.gather(1, code[:, None])[:, 0] / (sizes[code] - 1).clamp(min=1)
    other = (sums / sizes).scatter(1, code[:, None], torch.inf).amin(1)
    score = (other - own) / torch.maximum(own, other).clamp(min=1e-12)
    return float(torch.where(sizes[code] > 1, score, 0.0).mean())
