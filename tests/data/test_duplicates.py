"""Near-duplicates: what is one picture twice, and what only looks alike to a hash."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rhinoise.core.images import square
from rhinoise.data.duplicates import BITS, TOLERANCE, Looks, alike, looking, near_duplicates

SIDE = 64


def scene(seed: int) -> Image.Image:
    """A smooth picture of many colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC)


def array(*pictures: Image.Image) -> np.ndarray:
    return np.stack([np.asarray(square(picture, SIDE)).transpose(2, 0, 1) for picture in pictures])


def looks_of(pictures: np.ndarray) -> Looks:
    """`looking`, without its reports."""
    work = looking(pictures)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def saved(picture: Image.Image, **how: object) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, **how)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


SAME = {
    "itself": lambda picture: picture,
    "half as large": lambda picture: picture.resize((128, 128)),
    "twice as large": lambda picture: picture.resize((512, 512)),
    "a JPEG": lambda picture: saved(picture, format="JPEG", quality=15),
    "a WebP": lambda picture: saved(picture, format="WEBP", quality=20),
    "trimmed by a hair": lambda picture: picture.crop((2, 2, 254, 254)),
}
OTHER = {
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    "recoloured": lambda picture: Image.merge("RGB", picture.split()[::-1]),
    "half of it": lambda picture: picture.crop((0, 0, 128, 128)),
}


@pytest.mark.parametrize("change", SAME)
def test_a_picture_is_found_again(change: str) -> None:
    pictures = [scene(seed) for seed in range(8)]
    found = near_duplicates(looks_of(array(*pictures, *map(SAME[change], pictures))))
    assert found == [(index, index + 8) for index in range(8)]


@pytest.mark.parametrize("change", OTHER)
def test_another_picture_is_not(change: str) -> None:
    pictures = [scene(seed) for seed in range(8)]
    assert near_duplicates(looks_of(array(*pictures, *map(OTHER[change], pictures)))) == []


def test_flat_pictures_are_told_apart_by_their_colour() -> None:
    """Every flat picture has the same hash."""
    colours = ["white", "red", "blue", "white"]
    looks = looks_of(array(*(Image.new("RGB", (80, 60), colour) for colour in colours)))
    flat = looks_of(array(*(Image.new("RGB", (64, 64), colour) for colour in colours)))
    assert len(set(flat.hashes.tolist())) == 1
    assert near_duplicates(looks) == near_duplicates(flat) == [(0, 3)]


def test_little_things_on_white_are_told_apart() -> None:
    def dot(x: int, y: int, colour: str) -> Image.Image:
        picture = Image.new("RGB", (64, 64), "white")
        picture.paste(colour, (x, y, x + 8, y + 8))
        return picture

    pictures = [dot(8, 8, "red"), dot(40, 8, "red"), dot(8, 40, "red"), dot(8, 8, "blue")]
    assert near_duplicates(looks_of(array(*pictures, Image.new("RGB", (64, 64), "white")))) == []


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 24))
def test_the_search_by_blocks_finds_what_every_pair_by_itself_would(seed: int, count: int) -> None:
    """Against two loops over all pairs, and sets that are merged until none can be."""
    rng = np.random.default_rng(seed)
    near = rng.integers(0, 3, count)
    hashes = (near.astype(np.uint64) << np.uint64(40)) ^ rng.integers(0, 2**9, count, dtype=np.uint64)
    places = (near * 60 + rng.integers(0, 20, count))[:, None, None, None] * np.ones((1, 3, 16, 16))
    looks = Looks(hashes=hashes, places=places.astype(np.uint8))
    groups = [{index} for index in range(count)]
    for one in range(count):
        for other in range(one):
            pair = looks.places[[one]], looks.places[[other]]
            differ = bin(int(hashes[one]) ^ int(hashes[other])).count("1")
            if differ <= BITS and alike(*pair)[0] <= TOLERANCE:
                joined = [group for group in groups if group & {one, other}]
                groups = [group for group in groups if group not in joined] + [set().union(*joined)]
    assert near_duplicates(looks) == sorted(tuple(sorted(group)) for group in groups if len(group) > 1)


def test_thousands_of_copies_are_one_group() -> None:
    looks = looks_of(array(scene(0)))
    many = Looks(hashes=looks.hashes.repeat(20_000), places=looks.places.repeat(20_000, axis=0))
    assert near_duplicates(many) == [tuple(range(20_000))]
    none = Looks(hashes=looks.hashes[:0], places=looks.places[:0])
    assert near_duplicates(none) == []
