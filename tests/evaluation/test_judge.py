"""A judge of drawn shapes, with a sight of few numbers: what it is taught, and what it says."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rhinoise.core.images import from_uint8
from rhinoise.data.colours import PAINTS
from rhinoise.data.composed import PLACES, SMALL
from rhinoise.data.dataset import Example
from rhinoise.evaluation.judge import SIZE, half, kept_back, open_judge, places, shrunk, taught
from rhinoise.evaluation.sight import boxes, gaze

SUBJECTS = {"bar": (60, 12), "block": (56, 56), "pole": (12, 60)}
STYLES = {"bold": 1, "hollow": 0}


class Thumb:
    """Eight by eight pixels of the gaze, and of the whole."""

    name, dim = "thumb", 384

    def __call__(self, images):
        parts = [F.adaptive_avg_pool2d(part, 8).flatten(1) for part in (gaze(images), images)]
        return torch.cat(parts, dim=1)


def shape(subject: str, style: str, colour: str, side: int = SIZE) -> np.ndarray:
    """A rectangle of a subject's proportions, filled or not."""
    pixels = np.full((SIZE, SIZE, 3), 255, np.uint8)
    width, height = SUBJECTS[subject]
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    pixels[top : top + height, left : left + width] = PAINTS[colour]
    if style == "hollow":
        pixels[top + 4 : top + height - 4, left + 4 : left + width - 4] = 255
    step = SIZE // side
    return pixels[::step, ::step]


def placed(picture: np.ndarray, across: float, down: float) -> np.ndarray:
    sheet, side = np.full((SIZE, SIZE, 3), 255, np.uint8), len(picture)
    x, y = round(across * (SIZE - side)), round(down * (SIZE - side))
    sheet[y : y + side, x : x + side] = picture
    return sheet


def lesson(subject: str, style: str, colour: str, other: str | None) -> tuple[np.ndarray, dict[str, str]]:
    tags = {"kind": "original", "subject": subject, "style": style, "count": "1", "colour": colour}
    if other is None:
        return shape(subject, style, colour), tags
    small = (shape(name, style, colour, SIZE // 2) for name in (subject, other))
    left, right = (placed(picture, side, 0.5) for side, picture in enumerate(small))
    return np.minimum(left, right), tags | {"kind": "paired", "count": "2", "other": other}


@pytest.fixture(scope="module")
def lessons():
    return [
        lesson(subject, style, colour, other)
        for subject in SUBJECTS
        for style in STYLES
        for colour in PAINTS
        for other in (None, *SUBJECTS)
        if other != subject
    ]


@pytest.fixture(scope="module")
def judge(lessons):
    examples = [Example(name="", captions=(), digest="", tags=tags) for _, tags in lessons]
    pixels = np.stack([picture.transpose(2, 0, 1) for picture, _ in lessons])
    two = np.array([tags["count"] == "2" for _, tags in lessons])
    shown = (pixels, half(pixels[two], "left"), half(pixels[two], "right"), shrunk(pixels[~two]))
    return taught(examples, *(Thumb()(from_uint8(torch.from_numpy(part))) for part in shown))


def test_it_knows_what_it_was_taught(judge, lessons):
    images = from_uint8(torch.from_numpy(np.stack([picture.transpose(2, 0, 1) for picture, _ in lessons])))
    for seen, (_, tags) in zip(judge.look(Thumb(), images), lessons, strict=True):
        assert (seen.style, str(seen.count), seen.colour) == (tags["style"], tags["count"], tags["colour"])
        if "other" in tags:
            assert (seen.left[0], seen.right[0]) == (tags["subject"], tags["other"])
        else:
            assert seen.subjects[0] == tags["subject"]
        assert set(seen.subjects) == set(SUBJECTS)


def test_pictures_of_any_size_are_judged_at_one(judge):
    small = from_uint8(torch.from_numpy(shape("pole", "bold", "blue").transpose(2, 0, 1).copy())[None])
    large = F.interpolate(small, scale_factor=2, mode="nearest")
    assert judge.look(Thumb(), small) == judge.look(Thumb(), large)


@pytest.mark.parametrize("place", PLACES)
def test_small_pictures_stand_where_they_were_put(place):
    picture = placed(shape("block", "bold", "red", round(SMALL * SIZE)), *PLACES[place])
    assert places(boxes(from_uint8(torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]))) == [place]


def test_a_large_picture_stands_nowhere():
    picture = torch.from_numpy(shape("block", "bold", "red").transpose(2, 0, 1).copy())[None]
    assert places(boxes(from_uint8(picture))) == [None]


def test_halves_leave_the_other_side_blank():
    pixels = np.zeros((2, 3, 8, 8), np.uint8)
    left, right = half(pixels, "left"), half(pixels, "right")
    assert (left[..., :4] == 0).all()
    assert (left[..., 4:] == 255).all()
    np.testing.assert_array_equal(left + right, 255)


def test_shrunk_pictures_are_those_that_are_placed_in_the_middle():
    picture = shape("block", "bold", "red")
    small = shrunk(picture.transpose(2, 0, 1)[None].copy())
    middle = placed(shape("block", "bold", "red", SIZE // 2), 0.5, 0.5)
    np.testing.assert_array_equal(small[0].transpose(1, 2, 0), middle)


def test_it_is_kept(judge, tmp_path):
    judge.save(tmp_path / "judge.safetensors", {"real": 1})
    again, facts = open_judge(tmp_path / "judge.safetensors")
    images = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert again.look(Thumb(), images) == judge.look(Thumb(), images)
    assert facts == {"real": 1}


def test_a_tenth_is_kept_back_but_no_original():
    examples = [
        Example(name="", captions=(), digest=str(i), tags={"kind": kind})
        for i in range(1000)
        for kind in ("original", "placed")
    ]
    kept = [example for example in examples if kept_back(example)]
    assert {example.tags["kind"] for example in kept} == {"placed"}
    assert 70 < len(kept) < 130
