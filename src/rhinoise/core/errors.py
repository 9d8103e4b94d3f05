"""What can go wrong that a person can mend.

    RhinoiseError                    one sentence: what came, what was wanted, the nearest right thing
    ├── UnknownNameError             a name that no table holds ("did you mean ...?")
    ├── ConfigError                  a setting that is not one, or settings that contradict each other
    ├── PictureError                 bytes that are not a picture, or not one that may be opened
    ├── DataError                    a folder or data set that nothing can be learnt from
    ├── PlanError                    a training that could not end well, refused before step 0
    ├── RunFolderError               an --out that is taken, locked, or holds another recipe
    ├── ModelFolderError             a model folder that is missing, half written, foreign or unsafe
    ├── DiskFullError                no room for what was to be written
    ├── DeviceError                  a GPU that stopped working, or memory that ran out, half-way
    └── MissingPackageError          an optional dependency that is not installed, with its pip line

Interfaces print the sentence and leave with code 2. Whatever is not in this tree is a fault of the
program and keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RhinoiseError(Exception):
    """Anything that a person can mend; its text is the sentence to show."""


class UnknownNameError(RhinoiseError):
    """A name that no table holds; `kind` says of what it was to be one."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        self.kind = kind
        choices = list(choices)
        beginning = [choice for choice in choices if name and choice.startswith(name)]
        near = beginning or get_close_matches(name, choices, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'? " if near else "choose one of these: "
        super().__init__(f"unknown {kind} '{name}': {hint}({', '.join(choices)})")


class ConfigError(RhinoiseError):
    """A setting that is not one, or settings that contradict each other."""


class PictureError(RhinoiseError):
    """Bytes that are not a picture, or not one that may be opened."""


class DataError(RhinoiseError):
    """A folder or data set that nothing can be learnt from."""


class PlanError(RhinoiseError):
    """A training that could not end well, refused before step 0."""


class RunFolderError(RhinoiseError):
    """An output folder that is taken, locked, or holds another recipe."""


class ModelFolderError(RhinoiseError):
    """A model folder that is missing, half written, foreign or unsafe."""


class DiskFullError(RhinoiseError):
    """No room for what was to be written."""


class DeviceError(RhinoiseError):
    """A GPU that stopped working, or memory that ran out, half-way."""


class MissingPackageError(RhinoiseError):
    """An optional dependency that is not installed."""

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} needs the package {package}: pip install {package}")
