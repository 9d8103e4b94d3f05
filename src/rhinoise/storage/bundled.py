"""The model that comes with the package: data, in `rhinoise/bundled`."""

from importlib import resources
from pathlib import Path

from rhinoise.core.errors import ModelFolderError

BUNDLED = "bundled"
"""Its name wherever a model is asked for; a folder of the same name is asked for as ./bundled."""


def model_folder(name: Path | str) -> Path:
    """The folder that `name` means: a path, or BUNDLED; ModelFolderError where that is not installed."""
    if name != BUNDLED:
        return Path(name)
    folder = _place()
    if not folder.is_dir():
        raise ModelFolderError(
            "this rhinoise was installed without its bundled model: train one with rhinoise train emoji "
            "--out runs/emoji, and say --model runs/emoji"
        )
    return folder


def asked_for_as(folder: Path) -> str:
    """What a person types for a model folder: its path, or BUNDLED."""
    return BUNDLED if folder == _place() else str(folder)


def _place() -> Path:
    return Path(str(resources.files("rhinoise"))) / BUNDLED
