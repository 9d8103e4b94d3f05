"""Which weight files may be opened, and what a set of weights is called."""

from pathlib import Path

import torch
from torch import nn

from rhinoise.core.errors import ModelFolderError
from rhinoise.core.files import digest

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
"""Weight files that can hold code, or that nothing here reads."""


def safe_weights(folder: Path) -> Path:
    """The folder's model.safetensors; ModelFolderError when it is missing, or when only pickles are there."""
    file = folder / "model.safetensors"
    if file.is_file():
        return file
    pickles = sorted(found.name for pattern in PICKLES for found in folder.glob(pattern))
    if pickles:
        raise ModelFolderError(
            f"{folder} holds its weights as {pickles[0]}, a kind of file that can run code when opened: "
            "only model.safetensors is read"
        )
    raise ModelFolderError(f"{folder} has no model.safetensors: is it a text encoder's folder?")


def fingerprint(model: nn.Module, *more: str) -> str:
    """SHA-256, in hex, of every weight's name, type, shape and bytes, and of `more`: a key for caches."""
    parts: list[str | bytes] = [*more]
    for name, weight in sorted(model.state_dict().items()):
        raw = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        parts += [f"{name} {weight.dtype} {tuple(weight.shape)}", raw.numpy().tobytes()]
    return digest(*parts)
