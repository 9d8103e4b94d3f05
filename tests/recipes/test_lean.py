"""The default recipe's sizes: what is folded, and what cannot be."""

import pytest

from rhinoise.core.errors import PlanError
from rhinoise.recipes.lean import lean


@pytest.mark.parametrize(("size", "side"), [(32, 8), (64, 16), (80, 10), (128, 16), (256, 32)])
def test_convolutions_work_on_folded_latents_above_64_pixels(size, side):
    network = lean(size).network
    assert network.sample_size // network.patch_size == side


@pytest.mark.parametrize(("size", "near"), [(60, "56 or 64"), (72, "64 or 80"), (120, "112 or 128")])
def test_what_cannot_be_folded_and_halved_is_told_its_neighbours(size, near):
    with pytest.raises(PlanError, match=near):
        lean(size)
