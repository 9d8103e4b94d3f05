from itertools import pairwise

import pytest

from rhinoise.explain.measure.evenly import evenly


@pytest.mark.parametrize("most", [1, 2, 8, 60])
@pytest.mark.parametrize("total", [1, 2, 7, 8, 9, 1000])
def test_places_are_even_and_hold_both_ends(total: int, most: int) -> None:
    places = evenly(total, most)
    assert len(places) == min(total, most)
    assert places[0] == 0
    assert most == 1 or places[-1] == total - 1
    gaps = {after - before for before, after in pairwise(places)}
    assert not gaps or max(gaps) - min(gaps) <= 1
