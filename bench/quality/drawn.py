"""Pictures that a contestant drew, in chunks on the disk, so that drawing goes on where it was killed."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

CHUNK = 16
"""Pictures drawn at a time."""


def draw_chunk(folder: Path, first: int, draw: Callable[[], np.ndarray]) -> None:
    """Pictures from number `first` on as uint8 "n 3 h w", drawn unless they are there."""
    file = folder / f"{first:05d}.npy"
    if file.is_file():
        return
    drawn = draw()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{first:05d}.npy"
    with temporary.open("wb") as out:
        np.save(out, drawn)
    os.replace(temporary, file)


def read_chunks(folder: Path) -> np.ndarray:
    """All of them."""
    return np.concatenate([np.load(file, allow_pickle=False) for file in sorted(folder.glob("[0-9]*.npy"))])


def to_uint8(images: np.ndarray) -> np.ndarray:
    """[-1, 1] => 0..255."""
    return ((images + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
