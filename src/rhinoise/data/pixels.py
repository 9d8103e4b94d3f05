"""The pictures of a data set as one array of uint8, prepared once and kept on the disk.

The array is memory-mapped: a large folder does not live in memory. It is found again by what it was made of,
the digests of the pictures and the preparation, so that a change of any is a new array.
"""

import json
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import UInt8

from rhinoise.core.errors import DataError, DiskFullError, PictureError
from rhinoise.core.files import digest, free_bytes, read_json, replacing, sweep_dead, write_json
from rhinoise.core.images import WHITE, Colour, Fit, from_uint8, pixels, square
from rhinoise.core.shapes import Images
from rhinoise.data.dataset import Dataset, Skipped

_LAYOUT = "1"  # of what is kept; part of the key
_WORKERS = 2
_CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What is done to a picture before it is learnt from."""

    size: int
    """Pixels a side."""
    fit: Fit = "pad"
    background: Colour = WHITE


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A data set whose pictures have all been decoded; `array[i]` is `dataset.examples[i]`."""

    dataset: Dataset
    """Without the pictures that could not be decoded; they are in its `skipped`."""
    array: UInt8[np.ndarray, "n 3 s s"]
    preparation: Preparation
    key: str
    """SHA-256, in hex, of all that the array depends on."""

    def __len__(self) -> int:
        return len(self.array)

    def images(self, indices: Sequence[int]) -> Images:
        """The chosen pictures in [-1, 1]."""
        return from_uint8(torch.from_numpy(self.array[np.asarray(indices)]))


@dataclass(frozen=True)
class Progress:
    """How many pictures have been looked at, of how many."""

    done: int
    total: int


def preparing(dataset: Dataset, preparation: Preparation, cache: Path) -> Generator[Progress, None, Prepared]:
    """Decode every picture once, two at a time, into `cache`; report now and then, return the Prepared.

    What was prepared before is opened without decoding. DataError when no picture could be decoded,
    DiskFullError when there is no room; stopping early leaves nothing behind.
    """
    key = digest(
        _LAYOUT,
        json.dumps(asdict(preparation), sort_keys=True),
        *(example.digest for example in dataset.examples),
    )
    array_file, skipped_file = cache / f"{key}.npy", cache / f"{key}.json"
    if not (array_file.exists() and skipped_file.exists()):
        sweep_dead(cache)
        unreadable = yield from _decode(dataset, preparation, array_file)
        # Last, so that where it is, the array is whole.
        write_json(skipped_file, unreadable)
    reasons: dict[int, str] = {int(index): reason for index, reason in read_json(skipped_file).items()}
    kept = [index for index in range(len(dataset)) if index not in reasons]
    skipped = (Skipped(dataset.examples[index].name, reason) for index, reason in reasons.items())
    return Prepared(
        dataset=replace(dataset.subset(kept), skipped=(*dataset.skipped, *skipped)),
        array=np.load(array_file, mmap_mode="r", allow_pickle=False),
        preparation=preparation,
        key=key,
    )


def _decode(
    dataset: Dataset, preparation: Preparation, file: Path
) -> Generator[Progress, None, dict[int, str]]:
    """Write the array; give back which pictures are not in it, and why."""
    size = preparation.size
    needed = len(dataset) * 3 * size * size
    if needed > free_bytes(file):
        raise DiskFullError(
            f"the pictures need {needed / 2**30:.1f} GiB in {file.parent}, and there are "
            f"{free_bytes(file) / 2**30:.1f} GiB: free some space, or set RHINOISE_CACHE to another disk"
        )

    def one(index: int) -> UInt8[np.ndarray, "3 s s"] | str:
        try:
            picture = dataset.picture(index, size, preparation.background)
        except PictureError as error:
            return str(error)
        return pixels(square(picture, size, preparation.fit, preparation.background))

    unreadable: dict[int, str] = {}
    with replacing(file) as temporary, temporary.open("wb") as out, ThreadPoolExecutor(_WORKERS) as pool:
        start = _write_header(out, len(dataset), size)
        for first in range(0, len(dataset), _CHUNK):
            chunk = range(len(dataset))[first : first + _CHUNK]
            for index, result in zip(chunk, pool.map(one, chunk), strict=True):
                if isinstance(result, str):
                    unreadable[index] = result
                else:
                    out.write(result.tobytes())
            yield Progress(chunk[-1] + 1, len(dataset))
        if len(unreadable) == len(dataset):
            raise DataError(
                f"none of the {len(dataset)} pictures of {dataset.name} can be decoded; "
                f"the first, {dataset.examples[0].name}: {unreadable[0]}"
            )
        out.seek(0)
        assert _write_header(out, len(dataset) - len(unreadable), size) == start
    return unreadable


def _write_header(out: BinaryIO, count: int, size: int) -> int:
    """NumPy's header for that many pictures; its length, which does not depend on their count."""
    shape = (count, 3, size, size)
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return out.tell()
