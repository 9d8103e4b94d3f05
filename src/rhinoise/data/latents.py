"""What an encoder makes of a data set (latents, text embeddings), computed once and kept on the disk.

The arrays are memory-mapped, and found again by a key over all that they were made of: the bytes of the
pictures and their preparation, or the captions, and the encoder's weights. A change of any is a new key.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float, Int

from rhinoise.core.errors import DiskFullError
from rhinoise.core.files import free_bytes, replacing_folder, sweep_dead

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
        sweep_dead(folder)
        with replacing_folder(place) as new:
            _fill(new, count, chunks)
            _finish(new, finish)
    return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in place.glob("*.npy")}


def _fill(folder: Path, count: int, chunks: Iterator[Arrays]) -> None:
    """Write one .npy per array, chunk by chunk: through a map, a full disk would kill the process."""
    with ExitStack() as opened:
        files: dict[str, BinaryIO] = {}
        for chunk in chunks:
            if not files:
                _check_room(folder, sum(values[0].nbytes for values in chunk.values()) * count)
                files = {name: opened.enter_context((folder / f"{name}.npy").open("wb")) for name in chunk}
                for name, values in chunk.items():
                    _write_header(files[name], (count, *values.shape[1:]), values.dtype)
            for name, values in chunk.items():
                files[name].write(values.tobytes())


def _write_header(out: BinaryIO, shape: tuple[int, ...], dtype: np.dtype) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)


def _finish(folder: Path, finish: Callable[[Arrays], Arrays]) -> None:
    arrays = {file.stem: np.load(file, mmap_mode="r+") for file in folder.glob("*.npy")}
    for name, extra in finish(arrays).items():
        np.save(folder / f"{name}.npy", extra, allow_pickle=False)
    for array in arrays.values():
        array.flush()


def _check_room(folder: Path, needed: int) -> None:
    if needed > free_bytes(folder):
        raise DiskFullError(
            f"the encoded data set needs {needed / 2**30:.1f} GiB in {folder.parent}, and there are "
            f"{free_bytes(folder) / 2**30:.1f} GiB: free some space, or set RHINOISE_CACHE to another disk"
        )


def centre(
    latents: Float[np.ndarray, "n c h w"], learnt: Int[np.ndarray, "m"]
) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "c"]]:
    """Bring every channel to mean 0 and variance 1 over the pictures `learnt`, in place.

    Gives back what that mean and deviation were.
    """
    parts = [learnt[i : i + _CHUNK] for i in range(0, len(learnt), _CHUNK)]
    numbers = len(learnt) * math.prod(latents.shape[2:])
    mean = np.stack([latents[part].sum((0, 2, 3), dtype=np.float64) for part in parts]).sum(0) / numbers
    square = [((latents[part] - mean[:, None, None]) ** 2).sum((0, 2, 3), dtype=np.float64) for part in parts]
    std = np.sqrt(np.stack(square).sum(0) / numbers)
    mean, std = mean.astype(np.float32), std.astype(np.float32)
    for i in range(0, len(latents), _CHUNK):
        latents[i : i + _CHUNK] -= mean[:, None, None]
        latents[i : i + _CHUNK] /= np.maximum(std, 1e-12)[:, None, None]
    return mean, std
