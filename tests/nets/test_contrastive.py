"""Contrastive training: its closed form, and sixteen pairs learnt by heart."""

import math

import pytest
import torch

from rhinoise.nets.contrastive import ContrastiveConfig, ImageTower, collapse, contrastive_loss
from rhinoise.nets.text import TextConfig, TextEncoder


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_nothing_told_apart_costs_the_logarithm_of_the_batch(batch):
    same = torch.randn(1, 5).expand(batch, 5)
    assert contrastive_loss(same, same, torch.tensor(2.0)).item() == pytest.approx(math.log(batch), abs=1e-5)


def test_orthogonal_pairs_have_a_closed_form():
    """Own pairs score `scale`, all others 0: the loss is log(1 + (b - 1) exp(-scale))."""
    vectors = torch.eye(6) * torch.rand(6, 1).add(0.5)  # lengths do not count
    loss = contrastive_loss(vectors, vectors, torch.tensor(3.0).log())
    assert loss.item() == pytest.approx(math.log1p(5 * math.exp(-3)), abs=1e-6)


def test_pictures_and_captions_are_treated_alike():
    first, second, scale = torch.randn(5, 4), torch.randn(5, 4), torch.tensor(1.0)
    torch.testing.assert_close(contrastive_loss(first, second, scale), contrastive_loss(second, first, scale))


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (112, 112), (176, 176), (128, 256)])
def test_one_vector_per_picture(size):
    config = ContrastiveConfig(channels=8, shared=12)
    assert ImageTower(config, pooled_width=8)(torch.zeros(3, 3, *size)).shape == (3, 12)


def test_large_pictures_are_looked_at_as_small_ones():
    tower = ImageTower(ContrastiveConfig(channels=8, shared=12), pooled_width=8)
    small = torch.rand(2, 3, 64, 64)
    large = small.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    torch.testing.assert_close(tower(large), tower(small))


@pytest.mark.parametrize("filled", [1, 3, 8])
def test_collapse_counts_the_directions_that_are_filled(filled):
    """Spread evenly over some of 8 directions, and moved anywhere: the logarithm of 8 over their number."""
    corners = torch.eye(8)[:filled]
    vectors = 5 * torch.cat([corners, -corners]) @ torch.linalg.qr(torch.randn(8, 8)).Q + torch.randn(8)
    assert collapse(vectors).item() == pytest.approx(math.log(8 / filled), abs=1e-5)
    torch.testing.assert_close(collapse(vectors), collapse(3 * vectors))


def test_collapse_is_told_by_eigenvalues_too():
    vectors = torch.randn(40, 6) * torch.tensor([3.0, 2.0, 1.0, 1.0, 0.1, 0.0])
    eigenvalues = torch.linalg.eigvalsh(torch.cov(vectors.T))
    ratio = eigenvalues.sum() ** 2 / eigenvalues.square().sum()
    assert collapse(vectors).item() == pytest.approx(math.log(6 / ratio), abs=1e-5)


def test_one_vector_alone_has_not_collapsed():
    alone = torch.randn(1, 5, requires_grad=True)
    collapse(alone).backward()
    assert collapse(alone).item() == 0
    assert alone.grad.isfinite().all()


def test_sixteen_pairs_are_learnt_by_heart():
    torch.manual_seed(0)
    captions = [f"{colour} {what}" for colour in ("red", "blue", "green", "black") for what in "abcd"]
    images = torch.rand(16, 3, 16, 16) * 2 - 1
    text = TextEncoder.create(
        captions, TextConfig(width=32, layers=1, heads=2, context=8, vocabulary=600), seed=0
    )
    tower = ImageTower(ContrastiveConfig(channels=16, shared=32), pooled_width=text.pooled_width)
    optimiser = torch.optim.AdamW([*text.parameters(), *tower.parameters()], lr=3e-3)
    ids = text.tokenize(captions)
    start = tower.loss(images, text(ids).pooled).item()
    for _ in range(60):
        loss = tower.loss(images, text(ids).pooled)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert start > 2
    assert loss.item() < 0.1
