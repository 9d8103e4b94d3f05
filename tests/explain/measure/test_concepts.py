"""Distances between words' pictures, where it is known what they are."""

import pytest
import torch

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.explain.measure.atlas import differ, distances, inner_products
from rhinoise.explain.measure.concepts import (
    alone,
    compare_concepts,
    compare_words,
    frequent,
    holders,
    leading_words,
)

CAPTIONS = ["a red cat", "the cat, grey", "a dog and a cat", "a dog", "a red dog", "dogs"]


def test_words_are_whole_and_function_words_are_none() -> None:
    assert holders(CAPTIONS, "Dog") == [2, 3, 4]
    assert frequent(CAPTIONS) == [("cat", 3), ("dog", 3), ("red", 2)]
    assert leading_words(CAPTIONS) == ["cat", "cat", "cat", "dog", "dog", ""]
    assert alone(CAPTIONS, "cat", "dog") == ([0, 1], [3, 4])
    with pytest.raises(UnknownNameError, match="did you mean 'cat'"):
        holders(CAPTIONS, "cut")
    with pytest.raises(ConfigError, match="every caption that holds 'grey' holds 'cat' too"):
        alone(CAPTIONS, "cat", "grey")


def square() -> tuple[torch.Tensor, torch.Tensor]:
    """Two cats at distance 2, two dogs at distance 2, 10 between them."""
    points = torch.tensor([[0.0, 0.0], [0.0, 2.0], [10.0, 0.0], [10.0, 2.0]])
    return distances(inner_products(points)), differ([frozenset({str(i)}) for i in range(4)])


def test_distances_of_words_are_the_means_of_their_pairs() -> None:
    apart, allowed = square()
    found = compare_words(apart, ["cat", "cat", "dog", "dog"], allowed, "cat", "dog")
    unit = float(apart.sum()) / 12
    across = (10 + 104**0.5) / 2
    assert found.pictures == (2, 2)
    assert found.pairs == (1, 1, 4)
    assert found.within_first is not None
    assert found.within_first.value == pytest.approx(2 / unit, rel=1e-5)
    assert found.between.value == pytest.approx(across / unit, rel=1e-5)
    assert found.between.low <= found.between.value <= found.between.high
    assert found.nearer is not None
    assert found.nearer.value == pytest.approx(2 / across, rel=1e-5)


def test_a_word_with_one_drawing_has_no_distance_within() -> None:
    apart, _ = square()
    allowed = differ([frozenset({"one"}), frozenset({"one"}), frozenset({"2"}), frozenset({"3"})])
    found = compare_words(apart, ["cat", "cat", "dog", "dog"], allowed, "cat", "dog")
    assert found.within_first is None
    assert found.nearer is None
    assert found.within_second is not None


def test_all_concepts_together() -> None:
    apart, allowed = square()
    found = compare_concepts(apart, ["cat", "cat", "dog", "dog"], allowed)
    assert found is not None
    assert found.concepts == 2
    assert found.nearer.value == pytest.approx(4 / (10 + 104**0.5), rel=1e-5)
    assert found.nearer_share.value == 1.0
    assert compare_concepts(apart, list("abcd"), allowed) is None


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Sixty sets of twelve and twelve points on a line: the true mean distance is in the interval of most."""
    captions = ["cat"] * 12 + ["dog"] * 12
    allowed = differ([frozenset({str(i)}) for i in range(24)])
    held = 0
    for seed in range(60):
        noise = torch.randn(24, 1, generator=torch.Generator().manual_seed(seed))
        apart = distances(inner_products(noise + 20 * torch.tensor([0.0] * 12 + [1.0] * 12)[:, None]))
        unit = float(apart.sum()) / (24 * 23)
        between = compare_words(apart, captions, allowed, "cat", "dog").between
        held += between.low * unit <= 20 <= between.high * unit
    assert 50 <= held <= 60
