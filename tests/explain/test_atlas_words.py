"""What an atlas says in words."""

from collections.abc import Sequence

import torch

from rhinoise.explain.measure.atlas import differ, distances, inner_products
from rhinoise.explain.measure.survey import CONCEPT, Survey, survey
from rhinoise.explain.pages.atlas_words import sentences


def surveyed(labels: Sequence[str]) -> Survey:
    """Points by chance, with these labels and no others."""
    points = torch.randn(len(labels), 5, generator=torch.Generator().manual_seed(0))
    apart = distances(inner_products(points))
    own = [frozenset({str(i)}) for i in range(len(labels))]
    return survey("here", apart, differ(own), {CONCEPT: labels}, list(labels), ())


def test_an_unsure_difference_is_not_called_a_want_of_labels() -> None:
    """Of a folder without groups the page said that no two pictures share a label, above how many do."""
    shared = surveyed(["big", "small"] * 6)
    assert "no difference that is sure" in sentences([shared] * 3)[0]


def test_a_want_of_labels_is_told() -> None:
    alone = surveyed([f"thing {i}" for i in range(12)])
    assert "no two pictures share a label" in sentences([alone] * 3)[0]
