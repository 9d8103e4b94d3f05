"""What a model folder says of itself: model_index.json and rhinoise.json, read and checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhinoise.core.config import from_json
from rhinoise.core.errors import ModelFolderError, RhinoiseError
from rhinoise.core.files import read_json
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.diffusion.schedules import ScheduleConfig

FORMAT = 1
"""The version of rhinoise.json; a folder of a newer one is refused."""
FACTS, INDEX, WEIGHTS = "rhinoise.json", "model_index.json", "diffusion_pytorch_model.safetensors"
STOCK_LIBRARIES = ("diffusers", "transformers")
OURS = "_rhinoise_format"
"""In model_index.json, so that a folder of ours without rhinoise.json is known to be half written."""


def read_index(folder: Path) -> dict[str, Any]:
    """model_index.json; ModelFolderError when the folder has none, or a damaged one."""
    if not (folder / INDEX).is_file():
        raise ModelFolderError(
            f"{folder} is not a model folder (it has no {INDEX}): give a run of `rhinoise train`, or its "
            "model folder"
        )
    return read_settings(folder / INDEX)


def read_settings(file: Path) -> dict[str, Any]:
    """A JSON file that holds an object; ModelFolderError when it is missing or holds anything else."""
    try:
        found = read_json(file)
    except OSError:
        raise ModelFolderError(f"the model folder is half written: {file} is missing") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ModelFolderError(f"{file} is damaged: the model folder is half written")
    return found


def class_of(folder: Path, index: Mapping[str, Any], place: str) -> str:
    """The class that model_index.json names for a component."""
    match index.get(place):
        case [str(), str(name)]:
            return name
    raise ModelFolderError(
        f"{folder} has no {place}: rhinoise draws with a caption, a network and an autoencoder"
    )


def read_facts(folder: Path, *, ours: bool) -> dict[str, Any]:
    """rhinoise.json, checked, its schedule read; empty for a folder that diffusers wrote."""
    if not ours and not (folder / FACTS).is_file():
        return {}
    about = read_settings(folder / FACTS)
    match about:
        case {"format": int(version)} if version > FORMAT:
            raise ModelFolderError(
                f"{folder} was written by a newer rhinoise (format {version}, this one reads up to "
                f"{FORMAT}): upgrade rhinoise to open it"
            )
        case {
            "format": int(),
            "predicts": str(predicts),
            "schedule": dict(schedule),
            "files": dict(files),
            "facts": dict(),
        } if predicts in PREDICTIONS and isinstance(about.get("hash", ""), str):
            try:
                about["schedule"] = from_json(ScheduleConfig, schedule)
            except RhinoiseError as error:
                raise ModelFolderError(f"{folder / FACTS} is damaged: {one_line(error)}") from error
        case _:
            raise ModelFolderError(f"{folder / FACTS} is damaged: copy the folder again")
    for name, size in files.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            raise ModelFolderError(
                f"{folder} is half written: {name} is missing or cut short; copy the folder again"
            )
    return about


def one_line(error: Exception) -> str:
    """What an error says, for the end of a sentence."""
    return " ".join(str(error).split())[:300]
