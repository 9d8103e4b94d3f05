"""Distances of sets against their closed forms, their definitions, and torchmetrics."""

import math

import pytest
import torch
from torch import nn

from rhinoise.evaluation.distribution import (
    LEAST,
    diversity,
    frechet_distance,
    kernel_distance,
    precision_recall,
)


def gaussian(count, features, seed=0):
    return torch.randn(count, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def standardised(count, features, seed=0):
    """Rows whose sample mean is 0 and whose sample covariance is the identity, exactly."""
    rows = gaussian(count, features, seed)
    rows = rows - rows.mean(0)
    return rows @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(rows.T))).T


# --- Frechet distance


def test_frechet_distance_of_gaussians_that_commute_has_a_closed_form():
    """|m|^2 + sum (sqrt(a) - sqrt(b))^2, for means that differ by m and diagonal variances a and b."""
    rows, shift = standardised(50, 4), torch.tensor([1.0, -2.0, 0.0, 0.5])
    a, b = torch.tensor([1.0, 4.0, 0.25, 9.0]).double(), torch.tensor([1.0, 1.0, 2.25, 0.0]).double()
    found = frechet_distance(rows * a.sqrt() + shift, standardised(70, 4, seed=1) * b.sqrt())
    assert found == pytest.approx((shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum()).item())


def test_frechet_distance_of_rotated_gaussians():
    """tr (A B)^1/2 of A = diag(4, 1) and B = the same turned by 45 degrees."""
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]]).double() / math.sqrt(2)
    first = torch.diag(torch.tensor([4.0, 1.0]).double())
    second = turn @ first @ turn.T
    # Of a 2 x 2 matrix with eigenvalues l1, l2: (sqrt l1 + sqrt l2)^2 = trace + 2 sqrt(determinant).
    product = first @ second
    root = math.sqrt(product.trace() + 2 * math.sqrt(torch.linalg.det(product)))
    rows = standardised(40, 2) @ first.sqrt()
    found = frechet_distance(rows, standardised(60, 2, seed=1) @ first.sqrt() @ turn.T)
    assert found == pytest.approx(10 - 2 * root)


@pytest.mark.parametrize(("count", "features"), [(300, 8), (24, 40)])
def test_frechet_distance_is_torchmetrics(count, features):
    from torchmetrics.image.fid import FrechetInceptionDistance

    eyes = nn.Identity()
    eyes.num_features = features
    oracle = FrechetInceptionDistance(feature=eyes).set_dtype(torch.float64)
    a, b = gaussian(count, features), 1.3 * gaussian(count + 5, features, seed=1) + 0.2
    oracle.update(a, real=True)
    oracle.update(b, real=False)
    # Where covariances are singular, the oracle's eigenvalues of size 1e-16 have roots of 1e-8.
    assert frechet_distance(a, b) == pytest.approx(oracle.compute().item(), abs=1e-4)


def test_frechet_distance_of_a_set_from_itself_is_nothing_even_when_singular():
    rows = gaussian(10, 30)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_counts_features_in_any_order_and_orientation():
    rows, others = gaussian(30, 6), gaussian(30, 6, seed=1) * 2
    turn = torch.linalg.qr(gaussian(6, 6, seed=2)).Q
    assert frechet_distance(rows @ turn, others @ turn) == pytest.approx(frechet_distance(rows, others))


# --- kernel distance


def test_kernel_distance_is_the_unbiased_sum_that_defines_it():
    """At LEAST pictures a subset holds two: mean over subsets of k(x,x') + k(y,y') - 2 mean k(x,y)."""
    x, y = gaussian(LEAST, 3), gaussian(LEAST, 3, seed=1) + 1
    found = kernel_distance(x, y)

    def kernel(a, b):
        return float((a @ b / 3 + 1) ** 3)

    # Every order of rows gives an estimate of the same mean: many seeds against all pairs.
    many = [kernel_distance(x, y, seed=seed).mean for seed in range(400)]
    pairs = [(i, j) for i in range(LEAST) for j in range(LEAST)]
    alike = [kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in pairs if i != j]
    across = [kernel(x[i], y[j]) for i, j in pairs]
    wanted = sum(alike) / len(alike) - 2 * sum(across) / len(across)
    assert sum(many) / 400 == pytest.approx(wanted, rel=0.1)
    assert found == kernel_distance(x, y)  # a function of its arguments alone


def test_kernel_distance_of_one_distribution_is_nothing_within_its_error():
    z = [
        (found := kernel_distance(gaussian(200, 5, seed), gaussian(200, 5, 100 + seed))).mean / found.error
        for seed in range(40)
    ]
    scores = torch.tensor(z)
    assert abs(scores.mean()) < 0.6
    assert 0.7 < scores.std() < 1.6  # Student's t with 9 degrees of freedom: 1.13


def test_kernel_distance_finds_what_is_shifted_or_wider():
    rows = gaussian(200, 5)
    for other in (gaussian(200, 5, seed=1) + 0.7, 2 * gaussian(200, 5, seed=1)):
        found = kernel_distance(rows, other)
        assert found.mean > 4 * found.error > 0


# --- precision and recall


def test_precision_and_recall_of_the_same_and_of_far_apart():
    rows = gaussian(40, 6)
    same, apart = precision_recall(rows, rows), precision_recall(rows, rows + 100)
    assert (same.precision, same.recall) == (1, 1)
    assert (apart.precision, apart.recall) == (0, 0)


def test_half_of_the_modes_is_precise_and_recalls_half():
    modes = torch.cat([gaussian(30, 3) * 0.1, gaussian(30, 3, seed=1) * 0.1 + 50])
    drawn = gaussian(60, 3, seed=2) * 0.01
    found = precision_recall(drawn, modes)
    assert found.precision == 1
    assert found.recall <= 0.5
    assert precision_recall(modes, drawn).precision == found.recall


def test_the_reach_is_that_of_the_neighbour_asked_for():
    """Members on a line at 0, 1, 3, 6: the reach of 0 is 1, 3 or 6 at neighbour 1, 2 or 3."""
    members = torch.tensor([[0.0], [1.0], [3.0], [6.0]])
    for neighbours, reach in ((1, 1.0), (2, 3.0), (3, 6.0)):
        inside = precision_recall(torch.tensor([[-reach]] * 4), members, neighbours=neighbours)
        outside = precision_recall(torch.tensor([[-reach - 0.01]] * 4), members, neighbours=neighbours)
        assert (inside.precision, outside.precision) == (1, 0)


# --- diversity


def test_diversity_of_one_picture_per_prompt_and_of_real_ones():
    real = gaussian(60, 4)
    assert diversity(real[:5, None].expand(5, 3, 4), real).ratio == 0
    assert diversity(real.reshape(12, 5, 4), real).ratio == pytest.approx(1, abs=0.1)


def test_diversity_is_the_mean_distance_of_two():
    drawn = torch.tensor([[[0.0], [3.0]], [[1.0], [2.0]]])
    found = diversity(drawn, torch.tensor([[0.0], [4.0]]))
    assert (found.within, found.real, found.ratio) == (2, 4, 0.5)
