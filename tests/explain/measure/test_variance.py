import pytest
import torch

from rhinoise.explain.measure.variance import in_words, rms, variance

BLACK, WHITE = -torch.ones(1, 3, 8, 8), torch.ones(1, 3, 8, 8)


def test_black_and_white_are_as_far_as_can_be() -> None:
    found = variance(torch.cat([BLACK, WHITE]), BLACK, 0.5)
    assert found.to_original == pytest.approx((0, 255))
    assert found.to_each_other == found.nearest_pair == pytest.approx(255)
    assert (found.replicas, found.same_pairs) == (1, 0)
    assert found.deviation == pytest.approx(255 / 2**0.5)
    assert found.varying == 1
    assert found.mean_to_original == pytest.approx(127.5)


def test_results_that_are_one_picture_do_not_vary() -> None:
    found = variance(WHITE.repeat(4, 1, 1, 1), BLACK, 0.5)
    assert found.to_each_other == found.deviation == found.varying == 0
    assert (found.replicas, found.same_pairs) == (0, 6)


def test_white_noise_is_sqrt_two_from_other_white_noise() -> None:
    """Of deviation s, two are sqrt(2) s apart and each s from their mean."""
    images = 0.1 * torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = variance(images, 0 * images[:1], 1.0)
    assert found.mean_to_original == pytest.approx(12.75, rel=0.01)
    assert found.to_each_other == pytest.approx(12.75 * 2**0.5, rel=0.01)
    assert rms(images[:1])[0] == found.to_original[0]


def test_the_sentence_counts() -> None:
    one = variance(torch.cat([BLACK, WHITE]), BLACK, 0.1)
    none = variance(WHITE.repeat(2, 1, 1, 1), BLACK, 1.0)
    assert in_words([one, none], 3.0).startswith("of 4 results 1 is an exact replica, 1 as near as")
    assert in_words([none], 3.0).startswith("of 2 results none is an exact replica, none as near as")
