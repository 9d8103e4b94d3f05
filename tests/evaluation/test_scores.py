"""Scores of whole parts, on parts whose score is known."""

import math

import pytest
import torch

from rhinoise.evaluation.scores import autoencoder_score, caption_retrieval, embedded
from rhinoise.nets.features import RandomConv


@pytest.fixture(scope="module")
def real():
    return torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9


def test_an_autoencoder_that_is_off_by_a_tenth(real):
    score = autoencoder_score(lambda images: images + 0.1, real.split(5))
    assert score.psnr == pytest.approx(10 * math.log10(4 / 0.01), abs=1e-3)
    assert 0.9 < score.ssim < 1
    assert score.pictures == 12


def test_pictures_count_the_same_in_batches_of_any_size(real):
    def blur(images):
        return torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1)

    by_five, at_once = (autoencoder_score(blur, real.split(size)) for size in (5, 12))
    assert by_five.psnr == pytest.approx(at_once.psnr, rel=1e-6)
    assert by_five.ssim == pytest.approx(at_once.ssim, rel=1e-6)


def test_pictures_drawn_for_their_captions_are_found(real):
    target = torch.tensor([3, 0, 11])
    found = caption_retrieval(RandomConv(), real[target] * 0.99, real, target)
    assert (found.top1, found.top5, found.among) == (1, 1, 12)
    assert caption_retrieval(RandomConv(), real[target], real, (target + 1) % 12).top1 == 0


def test_embedding_in_parts_is_embedding(real):
    many = real.repeat(6, 1, 1, 1)
    features = RandomConv()
    torch.testing.assert_close(embedded(features, many), features(many))
