"""What an encoder makes of a data set (latents, text embeddings), computed once and kept on the disk.

The arrays are memory-mapped, and found again by a key over all that they were made of: the bytes of the
pictures and their preparation, or the captions, and the encoder's weights. A change of any is a new key.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rhinoise.core.errors import DiskFullError
from rhinoise.core.files import free_bytes, replacing_folder

Arrays = dict[str, np.ndarray]

_CHUNK = 256


def encoded(
    folder: Path,
    key: str,
    count: int,
    chunks: Iterator[Arrays],
    finish: Callable[[Arrays], Arrays] = lambda arrays: {},
) -> Arrays:
    """The arrays of `key`: opened when they are there, otherwise filled from `chunks`.

    Args:
        folder: the cache; `folder/key` holds one .npy per array.
        key: a digest of everything that the arrays depend on.
        count: how many rows each array has.
        chunks: consecutive rows of every array, in order; drawn from only when there is something to compute.
        finish: sees the complete arrays, may change them in place, and gives small ones to keep beside them.

    Raises:
        DiskFullError: there is no room; nothing is left behind.
    """
    place = folder / key
    if not place.is_dir():
        with replacing_folder(place) as new:
            arrays = _fill(new, count, chunks)
            for name, extra in finish(arrays).items():
                np.save(new / f"{name}.npy", extra, allow_pickle=False)
            for array in arrays.values():
                array.flush()
    return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in place.glob("*.npy")}


def _fill(folder: Path, count: int, chunks: Iterator[Arrays]) -> dict[str, np.memmap]:
    arrays: dict[str, np.memmap] = {}
    row = 0
    for chunk in chunks:
        for name, values in chunk.items():
            if name not in arrays:
                shape = (count, *values.shape[1:])
                _check_room(folder, values.itemsize * int(np.prod(shape)))
                file = folder / f"{name}.npy"
                arrays[name] = np.lib.format.open_memmap(file, mode="w+", dtype=values.dtype, shape=shape)
            arrays[name][row : row + len(values)] = values
        row += len(values)
    return arrays


def _check_room(folder: Path, needed: int) -> None:
    if needed > free_bytes(folder):
        raise DiskFullError(
            f"the encoded data set needs {needed / 2**30:.1f} GiB in {folder.parent}, and there are "
            f"{free_bytes(folder) / 2**30:.1f} GiB: free some space, or set RHINOISE_CACHE to another disk"
        )


def centre(latents: Float[np.ndarray, "n c h w"]) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "c"]]:
    """Bring every channel to mean 0 and variance 1, in place; give back what its mean and deviation were."""
    parts = range(0, len(latents), _CHUNK)
    mean = np.stack([latents[i : i + _CHUNK].sum((0, 2, 3), dtype=np.float64) for i in parts]).sum(0)
    mean /= latents.size / latents.shape[1]
    square = [
        ((latents[i : i + _CHUNK] - mean[:, None, None]) ** 2).sum((0, 2, 3), dtype=np.float64) for i in parts
    ]
    std = np.sqrt(np.stack(square).sum(0) / (latents.size / latents.shape[1]))
    mean, std = mean.astype(np.float32), std.astype(np.float32)
    for i in parts:
        latents[i : i + _CHUNK] -= mean[:, None, None]
        latents[i : i + _CHUNK] /= np.maximum(std, 1e-12)[:, None, None]
    return mean, std
