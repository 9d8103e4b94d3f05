"""Names that clients say => places on this disk: models, and pictures to train on. No client says a path."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rhinoise.core.errors import ConfigError, ModelFolderError, UnknownNameError
from rhinoise.server.folders import inside
from rhinoise.server.settings import ServeConfig
from rhinoise.server.store import Job
from rhinoise.storage.bundled import BUNDLED, model_folder

DATASETS = ("emoji", "emoji_composed")
"""Sets of pictures that come with packages (`data.sources.DATASETS`, which knows torch)."""
DROPPED = re.compile(r"folder:([0-9a-f]{32})")
"""Pictures that were sent together, to be trained on."""


class Registry:
    """The models and pictures of one server."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config

    def models(self) -> dict[str, str]:
        """Name => folder, or BUNDLED: those that were given, else the bundled one, and those trained here.

        The first is the default one; of two of one name it is the one that was given.
        """
        given = self.config.models or ((BUNDLED,) if _has_bundled() else ())
        found = {Path(place).name: _absolute(place) for place in given}
        trained = sorted(self.config.runs.glob("[!.]*/model"), key=_when, reverse=True)
        here = {model.parent.name: _absolute(model.parent) for model in trained}
        return found | {name: place for name, place in here.items() if name not in found}

    def model(self, name: str) -> str:
        """The name of a model, "" that of the default one; ConfigError where there is none."""
        return _named(name, self.models())

    def source(self, name: str) -> str:
        """Where the pictures of that name are; UnknownNameError where there are none."""
        folders = {folder.name: str(folder.absolute()) for folder in self.config.pictures}
        if name in DATASETS:
            return name
        if (dropped := DROPPED.fullmatch(name)) and (folder := self.config.uploads / dropped[1]).is_dir():
            return str(inside(folder).absolute())
        if name not in folders:
            raise UnknownNameError("pictures", name, [*DATASETS, *folders])
        return folders[name]

    def placed(self, request: Mapping[str, Any], given: Path, files: Sequence[str] = ()) -> dict[str, Any]:
        """A request with every name made into a place; `files` are fields that name files in `given`."""
        places = dict(request)
        known: Mapping[str, Callable[[Any], Any]] = {
            "model": self._model,
            "start": self._model,
            "source": self.source,
            "atlas": self._file,
            "landed": lambda names: [self._file(name) for name in names],
        }
        for field, place in known.items():
            if places.get(field) is not None:
                places[field] = place(places[field])
        for field in files:
            if places.get(field) is not None:
                places[field] = str((given / places[field]).absolute())
        return places

    def check_free(self, name: str, trainings: Sequence[Job]) -> None:
        """ConfigError where a training cannot be called that; `trainings` are those that have not ended."""
        taken = name in self.models() or (self.config.runs / name).exists()
        if taken or any(job.request["name"] == name for job in trainings):
            raise ConfigError(f"there is a model or a training called {name} already: choose another name")

    def trained_here(self, name: str) -> Path:
        """The run of that name; UnknownNameError where there is none, ModelFolderError for other models."""
        runs = {run.name: run for run in self.config.runs.glob("[!.]*") if run.is_dir()}
        models = self.models()
        if name not in runs and name not in models:
            raise UnknownNameError("model", name, [*runs, *models])
        if name not in runs or models.get(name, _absolute(runs[name])) != _absolute(runs[name]):
            raise ModelFolderError(f"the model {name} was not trained here, and is left alone")
        return runs[name]

    def _model(self, name: str) -> str:
        models = self.models()
        return models[_named(name, models)]

    def _file(self, name: str) -> str:
        """Where `upload:ID`, or `job:ID/NAME` of no training, lies; ConfigError where there is none."""
        kind, _, rest = name.partition(":")
        id, _, inside = rest.partition("/")
        path = self.config.uploads / id if kind == "upload" else self.config.jobs / id / "out" / inside
        if not path.is_file():
            raise ConfigError(f"there is no file {name}")
        return str(path.absolute())


def _named(name: str, models: Mapping[str, str]) -> str:
    if not models:
        raise ConfigError("there is no model here yet: train one first")
    if name and name not in models:
        raise UnknownNameError("model", name, models)
    return name or next(iter(models))


def _has_bundled() -> bool:
    try:
        return bool(model_folder(BUNDLED))
    except ModelFolderError:
        return False


def _when(model: Path) -> float:
    """When it was last written; a model that is being deleted is the oldest."""
    try:
        return model.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _absolute(place: Path | str) -> str:
    return BUNDLED if place == BUNDLED else str(Path(place).absolute())
