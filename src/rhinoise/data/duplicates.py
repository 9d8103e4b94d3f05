"""Near-duplicates: one picture saved twice, in another format, size or quality, or trimmed by a hair.

Two looks, since neither is enough. A difference hash (`imagehash.dhash`: is each of 8 x 8 places brighter
than its left neighbour?) proposes pairs fast; most of those are merely built alike, and every flat picture
has the same hash. So the two are then compared place by place, in colour, on a grid of 16 x 16: no place may
differ by more than TOLERANCE, and a little more where the picture is steep, since trimming moves edges.

Measured at 64 pixels on the set `emoji` (3,836 drawings) and on 384 photographs, letters and clip art. Found
again: 95 to 99 % at half the size, 96 to 99 % as JPEG of quality 15, 37 to 69 % with 1 % trimmed off every
side, 4 to 14 % with 2 %. Proposed among the originals: no pair of 73,536 in the folder; in `emoji` 189 of 7.4
million, 146 of them equal to the pixel under two names and most others twins (a man and a person who walk).
A TOLERANCE of 20 finds 77 % of the trimmed photographs, and takes a green letter I for a black one. The
perceptual hash `imagehash.phash`, instead of the difference hash, finds only 70 to 74 % of the emoji again:
what is symmetric has coefficients of zero, whose sign is chance.
Mirrored pictures are no duplicates: left and right are words that captions use. Nor are recoloured ones.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import imagehash
import numpy as np
from jaxtyping import Float, UInt8, UInt64
from PIL import Image

from rhinoise.data.pixels import Progress

BITS = 8
"""Of the 64 of two hashes so many may differ."""
TOLERANCE, STEEP = 16.0, 0.2
"""Of 255: how far a place may differ, and the part of its step to a neighbour that is allowed on top."""
GRID = 16
"""Places a side."""
_BLOCK = 512
_PAIRS = 4096
_CHUNK = 256


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What pictures are compared by."""

    hashes: UInt64[np.ndarray, "n"]
    places: UInt8[np.ndarray, "n 3 g g"]


def looking(pictures: UInt8[np.ndarray, "n 3 s s"]) -> Generator[Progress, None, Looks]:
    """Look at every picture of an array, reporting now and then."""
    hashes = np.zeros(len(pictures), dtype=np.uint64)
    places = np.zeros((len(pictures), 3, GRID, GRID), dtype=np.uint8)
    for index, pixels in enumerate(pictures):
        picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        hashes[index] = np.packbits(imagehash.dhash(picture).hash).view(">u8")[0]
        small = picture.resize((GRID, GRID), Image.Resampling.BOX)
        places[index] = np.asarray(small).transpose(2, 0, 1)
        if index % _CHUNK == _CHUNK - 1 or index == len(pictures) - 1:
            yield Progress(index + 1, len(pictures))
    return Looks(hashes=hashes, places=places)


def near_duplicates(looks: Looks) -> list[tuple[int, ...]]:
    """Groups of indices of pictures that look alike, each sorted, in the order of their first picture.

    Who looks like one of a group belongs to it. 20,000 pictures are 200 million pairs and take seconds.
    """
    if not len(looks.hashes):
        return []
    # Pictures that are equal are one for the search: a thousand copies would be half a million pairs.
    keys = np.concatenate([looks.hashes[:, None].view(np.uint8), _flat(looks.places)], axis=1)
    _, first, same = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    parents = list(range(len(first)))
    for one, other in _pairs(looks.hashes[first], looks.places[first]):
        parents[_root(parents, one)] = _root(parents, other)
    groups: dict[int, list[int]] = {}
    for index, place in enumerate(same.ravel().tolist()):
        groups.setdefault(_root(parents, place), []).append(index)
    return sorted(tuple(group) for group in groups.values() if len(group) > 1)


def alike(some: UInt8[np.ndarray, "p 3 g g"], others: UInt8[np.ndarray, "p 3 g g"]) -> Float[np.ndarray, "p"]:
    """How far pairs differ where they differ most, of 255, less what their steepness excuses."""
    one, other = some.astype(np.float32), others.astype(np.float32)
    excused = STEEP * np.minimum(_steepness(one), _steepness(other))
    return (np.abs(one - other).mean(1) - excused).max((1, 2))


def _steepness(places: Float[np.ndarray, "p 3 g g"]) -> Float[np.ndarray, "p g g"]:
    """The largest step from each place to one of its eight neighbours, a mean of three colours."""
    padded = np.pad(places, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    side = places.shape[-1]
    steps = (
        np.abs(padded[:, :, down : down + side, across : across + side] - places).mean(1)
        for down in range(3)
        for across in range(3)
    )
    return np.maximum.reduce(list(steps))


def _pairs(
    hashes: UInt64[np.ndarray, "n"], places: UInt8[np.ndarray, "n 3 g g"]
) -> Iterator[tuple[int, int]]:
    """Every pair that looks alike, the hashes first, a block of rows at a time."""
    for start in range(0, len(hashes), _BLOCK):
        rows = hashes[start : start + _BLOCK, None]
        near = np.bitwise_count(rows ^ hashes[None, start:]) <= BITS
        one, other = np.nonzero(np.triu(near, 1))
        for part in range(0, len(one), _PAIRS):
            some, others = one[part : part + _PAIRS] + start, other[part : part + _PAIRS] + start
            found = alike(places[some], places[others]) <= TOLERANCE
            yield from zip(some[found].tolist(), others[found].tolist(), strict=True)


def _root(parents: list[int], at: int) -> int:
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at


def _flat(places: UInt8[np.ndarray, "n 3 g g"]) -> UInt8[np.ndarray, "n k"]:
    return np.ascontiguousarray(places.reshape(len(places), -1))
