"""Which weight files may be opened."""

from pathlib import Path

from rhinoise.core.errors import ModelFolderError

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
