"""Where the ink of a picture is, and what is seen of it."""

import pytest
import torch

from rhinoise.evaluation.sight import VIEW, boxes, gaze


def drawn(left: int, top: int, width: int, height: int, side: int = 64) -> torch.Tensor:
    """A dark rectangle on white."""
    image = torch.ones(1, 3, side, side)
    image[..., top : top + height, left : left + width] = -0.8
    return image


@pytest.mark.parametrize(
    ("left", "top", "width", "height"), [(0, 0, 32, 32), (40, 10, 8, 20), (0, 0, 64, 64)]
)
def test_the_box_is_where_the_ink_is(left, top, width, height):
    found = boxes(drawn(left, top, width, height))
    assert found.x.item() == pytest.approx((2 * left + width) / 64 - 1, abs=0.04)
    assert found.y.item() == pytest.approx((2 * top + height) / 64 - 1, abs=0.04)
    assert found.half.item() == pytest.approx(max(width, height) / 64, abs=0.04)


def test_paper_is_no_ink_and_a_blank_picture_is_seen_whole():
    for value in (1.0, 0.95):
        found = boxes(torch.full((1, 3, 64, 64), value))
        assert (found.x.item(), found.y.item(), found.half.item()) == (0, 0, 1)


def test_a_subject_looks_alike_wherever_it_stands():
    here, there = gaze(drawn(0, 0, 32, 32)), gaze(drawn(20, 32, 32, 32))
    assert here.shape == (1, 3, VIEW, VIEW)
    torch.testing.assert_close(here, there, atol=1e-3, rtol=0)


def test_beyond_the_edge_it_is_white():
    seen = gaze(drawn(0, 0, 64, 64))
    assert seen[..., 0, 0].min() == pytest.approx(1, abs=1e-5)
    assert seen[..., VIEW // 2, VIEW // 2].max() == pytest.approx(-0.8, abs=1e-5)
