"""How alike two sets of pictures are, as sets of feature vectors; a row is a picture.

Distances between samples are meaningful only beside controls of the same size: a small sample inflates the
Frechet distance, and far from the data it does not grow evenly (noise can score better than blobs).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.random import generator

LEAST = 20
"""Pictures on each side below which none of these numbers means anything: the subsets would hold one each."""
SUBSETS = 10
"""Disjoint subsets that the kernel distance is measured on: its error is that of their mean."""
NEIGHBOURS = 3
"""How far a picture's neighbourhood reaches in precision and recall: to its third neighbour, as published."""


def frechet_distance(features: Float[Tensor, "n f"], reference: Float[Tensor, "m f"]) -> float:
    """Frechet distance of the Gaussians fitted to two sets (Heusel et al. 2017), 0 or more.

    |mu_a - mu_b|^2 + tr(A) + tr(B) - 2 tr((A B)^1/2), A and B the covariances. With A = a'a and B = b'b the
    eigenvalues of A B are the squared singular values of a b', so the last trace is the sum of these: exact
    where covariances are singular (fewer pictures than features), in a third of the eigenvalues' time.
    """
    a, b = _root(features), _root(reference)
    means = (features.double().mean(dim=0) - reference.double().mean(dim=0)).square().sum()
    crossed = torch.linalg.matrix_norm(a @ b.T, "nuc")
    return max(0.0, (means + a.square().sum() + b.square().sum() - 2 * crossed).item())


def _root(features: Float[Tensor, "n f"]) -> Float[Tensor, "r f"]:
    """r with r'r the covariance, of at most as many rows as there are features."""
    centred = features.double() - features.double().mean(dim=0)
    return torch.linalg.qr(centred / (len(features) - 1) ** 0.5, mode="r").R


@dataclass(frozen=True, kw_only=True)
class KernelDistance:
    """An unbiased estimate, which may be below 0, and its standard error."""

    mean: float
    error: float


def kernel_distance(
    features: Float[Tensor, "n f"], reference: Float[Tensor, "m f"], *, seed: int = 0
) -> KernelDistance:
    """Kernel distance, KID (Binkowski et al. 2018): squared maximum mean discrepancy, kernel (x'y / f + 1)^3.

    Unbiased at any size of sample. Measured on disjoint random subsets, whose estimates are independent, so
    that the standard error of their mean is honest.
    """
    from torchmetrics.image.kid import poly_mmd

    size = min(len(features), len(reference)) // SUBSETS
    parts = zip(
        _shuffled(features, seed, "drawn").split(size)[:SUBSETS],
        _shuffled(reference, seed, "reference").split(size)[:SUBSETS],
        strict=True,
    )
    found = torch.stack([poly_mmd(a, b) for a, b in parts])
    return KernelDistance(mean=found.mean().item(), error=found.std().item() / SUBSETS**0.5)


def _shuffled(features: Float[Tensor, "n f"], seed: int, side: str) -> Float[Tensor, "n f"]:
    order = torch.randperm(len(features), generator=generator("subsets", seed, side))
    return features[order].double()


@dataclass(frozen=True, kw_only=True)
class Manifolds:
    """`precision`: the part of the drawn that looks real; `recall`: the part of the real that is drawn."""

    precision: float
    recall: float


def precision_recall(
    features: Float[Tensor, "n f"], reference: Float[Tensor, "m f"], *, neighbours: int = NEIGHBOURS
) -> Manifolds:
    """How far two sets cover each other (Kynkaanniemi et al. 2019); both sets of one size, to be fair.

    A picture is within a set when it is no further from one of its members than that member's own neighbour
    number `neighbours` is.
    """
    return Manifolds(
        precision=_covered(features, reference, neighbours), recall=_covered(reference, features, neighbours)
    )


def _covered(queries: Float[Tensor, "n f"], members: Float[Tensor, "m f"], neighbours: int) -> float:
    members = members.double()
    # Number 1 is the member itself, at distance 0.
    reach = torch.cdist(members, members).kthvalue(neighbours + 1, dim=1).values
    within = torch.cdist(queries.double(), members) <= reach
    return within.any(dim=1).double().mean().item()


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """Mean distance of two pictures drawn for one prompt, and of two real pictures, in feature space."""

    within: float
    real: float

    @property
    def ratio(self) -> float:
        """0 where a prompt always gives one picture, 1 where its pictures differ as any two real ones do."""
        return self.within / self.real


def diversity(drawn: Float[Tensor, "p s f"], real: Float[Tensor, "m f"]) -> Diversity:
    """How much the pictures of a prompt differ: `s` of them, of other seeds, for each of `p` prompts."""
    within = torch.stack([torch.pdist(of_prompt.double()).mean() for of_prompt in drawn])
    return Diversity(within=within.mean().item(), real=torch.pdist(real.double()).mean().item())


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One set of pictures against a reference: everything above that takes two sets."""

    frechet: float
    kernel: KernelDistance
    manifolds: Manifolds


def compare(features: Float[Tensor, "n f"], reference: Float[Tensor, "m f"]) -> Comparison:
    """All the distances of a set from a reference, which both have LEAST pictures at least."""
    return Comparison(
        frechet=frechet_distance(features, reference),
        kernel=kernel_distance(features, reference),
        manifolds=precision_recall(features, reference),
    )
