"""Metrics against what they are defined to be."""

import math

import pytest
import torch

from rhinoise.evaluation.metrics import psnr, retrieval, ssim


def pictures(count, size=16, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8


def test_ssim_forgives_a_small_change_of_brightness():
    """On [-1, 1] it gave 0.26 here: local means near 0 were compared as ratios."""
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    assert ssim(images + 0.1, images).min() > 0.95


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_psnr_of_a_constant_error_is_its_definition(batch):
    images = pictures(batch)
    errors = torch.linspace(0.01, 0.2, batch)
    wanted = [10 * math.log10(4 / error**2) for error in errors.tolist()]
    assert psnr(images + errors[:, None, None, None], images).tolist() == pytest.approx(wanted, abs=1e-2)


def test_equal_pictures():
    images = pictures(2)
    assert psnr(images, images).tolist() == [math.inf] * 2
    assert ssim(images, images).tolist() == pytest.approx([1, 1])


def test_what_lies_outside_the_range_is_clipped_as_when_it_is_shown():
    white = torch.ones(1, 3, 16, 16)
    assert psnr(white * 1.5, white).item() == math.inf


@pytest.mark.parametrize("batch", [1, 4])
def test_ssim_falls_with_noise_one_number_per_picture(batch):
    images = pictures(batch, size=32)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    scores = torch.stack([ssim(images + amount * noise, images) for amount in (0.05, 0.2, 0.8)])
    assert scores.shape == (3, batch)
    assert (scores.diff(dim=0) < 0).all()


def test_ssim_of_two_flat_greys_has_a_closed_form():
    """(2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.01^2, for the greys a and b of 1, where nothing varies."""
    a, b, c1 = 0.4, 0.1, 0.01**2
    found = ssim(*(torch.full((1, 3, 16, 16), 2 * grey - 1) for grey in (a, b))).item()
    assert found == pytest.approx((2 * a * b + c1) / (a**2 + b**2 + c1), abs=1e-3)


def test_retrieval_of_itself_and_of_the_wrong_one():
    gallery = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    own = torch.arange(8)
    found = retrieval(gallery * 3, gallery, own)  # lengths do not count
    assert (found.top1, found.top5, found.among) == (1, 1, 8)
    assert retrieval(gallery, gallery, own.roll(1)).top1 == 0


def test_retrieval_counts_the_places():
    """Six directions in a quarter circle: the query's own is 0, 1, ... 5 places from the nearest."""
    angles = torch.linspace(0, 1.5, 6)
    gallery = torch.stack([angles.cos(), angles.sin()], dim=1)
    found = retrieval(gallery[:1].expand(6, 2), gallery, torch.arange(6))
    assert (found.top1, found.top5) == pytest.approx((1 / 6, 5 / 6))


def test_features_that_tell_nothing_apart_find_nothing():
    assert retrieval(torch.ones(9, 4), torch.ones(9, 4), torch.arange(9)).top5 == 0
