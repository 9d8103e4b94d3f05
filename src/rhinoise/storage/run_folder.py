"""A run on disk: what was asked for, what happened, and everything that going on needs.

recipe.json  the data source and the whole recipe      log.jsonl    a line per step and per held-out measure
plan.json    steps per stage, once they are decided    skipped.csv  pictures left out, and why
samples/     pictures drawn along the way              state/       checkpoints and finished stages
model/       the model so far, then the model          lock         held while a training is at work
few_steps/   a model distilled from it, where asked for
report.html  the lab book, and its numbers as report.json
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhinoise.core.errors import RunFolderError
from rhinoise.core.files import read_json, replacing, write_json, write_text

FEW_STEPS = "few_steps"
"""The folder of a distilled model, beside the one it comes from."""
STEPS = " steps"
"""What the names of decided numbers of steps end with in the plan."""


@dataclass(frozen=True)
class RunFolder:
    """The paths and records of one run."""

    root: Path

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.root / "model"

    @property
    def few_steps(self) -> Path:
        """The folder of the model that was distilled from it."""
        return self.root / FEW_STEPS

    @property
    def samples(self) -> Path:
        """Pictures drawn along the way."""
        return self.root / "samples"

    @property
    def log(self) -> Path:
        """One JSON record per line."""
        return self.root / "log.jsonl"

    def state(self, stage: str) -> Path:
        """The checkpoints of one stage."""
        return self.root / "state" / stage

    def refuse_strangers(self) -> None:
        """RunFolderError unless this is a run, or a place for one: empty, or not there."""
        if self.root.exists() and not self.root.is_dir():
            raise RunFolderError(f"{self.root} is a file: choose another --out")
        if not self.root.exists():
            return
        if (self.root / "recipe.json").is_file():
            self.record()
            return
        strangers = sorted(item.name for item in self.root.iterdir() if not _passing(item.name))
        if strangers:
            raise RunFolderError(
                f"{self.root} is not empty and not a run (it holds {strangers[0]}): choose another --out"
            )

    def claim(self, record: Mapping[str, Any]) -> None:
        """Make this run the one of `record` (source and recipe), or find that it is; else RunFolderError.

        As long as no stage has its steps nothing is lost by changing one's mind: the new record stands.
        """
        file, plan = self.root / "recipe.json", self.root / "plan.json"
        if file.is_file() and any(name.endswith(STEPS) for name in self.plan()):
            different = _differences(json.loads(json.dumps(record)), self.record())
            if different:
                raise RunFolderError(
                    f"{self.root} holds another training (it differs in {', '.join(different[:4])}): "
                    "go on with the same command as before, or choose another --out"
                )
            return
        plan.unlink(missing_ok=True)
        write_json(file, dict(record))

    def record(self) -> dict[str, Any]:
        """What the run is of; RunFolderError when this is no run."""
        file = self.root / "recipe.json"
        if not file.is_file():
            raise RunFolderError(f"{self.root} is not a run of `rhinoise train`: it has no recipe.json")
        record = _read(file)
        if not (isinstance(record, dict) and {"source", "recipe"} <= record.keys()):
            raise RunFolderError(
                f"{self.root} is not a run of `rhinoise train` (its recipe.json is something else): "
                "choose another folder"
            )
        return record

    def plan(self) -> dict[str, Any]:
        """What was decided and measured so far."""
        file = self.root / "plan.json"
        return _read(file) if file.is_file() else {}

    def note(self, name: str, value: Any) -> None:
        """Write a value into the plan."""
        write_json(self.root / "plan.json", self.plan() | {name: value})

    def forget(self, stage: str) -> None:
        """Take everything of one stage out of the plan."""
        kept = {name: value for name, value in self.plan().items() if name.split()[0] != stage}
        write_json(self.root / "plan.json", kept)

    def recall(self, name: str, decide: Callable[[], Any]) -> Any:
        """The value that was decided under this name, or decided now and kept for good."""
        if name not in self.plan():
            self.note(name, decide())
        return self.plan()[name]

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        """The log's records; a last line that a kill cut short is left out."""
        if not self.log.is_file():
            return []
        entries = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return entries

    def has(self, stage: str, step: int) -> bool:
        """Whether the log knows this step of a stage."""
        return any(entry["stage"] == stage and entry["step"] == step for entry in self.entries())

    def rewind(self, stage: str, step: int) -> None:
        """Forget what the log says from the stage's first step after `step` on: it will happen again."""
        entries = self.entries()
        again = (i for i, entry in enumerate(entries) if entry["stage"] == stage and entry["step"] > step)
        kept = entries[: next(again, len(entries))]
        write_text(self.log, "".join(json.dumps(entry) + "\n" for entry in kept))

    def write_skipped(self, skipped: Iterable[tuple[str, str]]) -> None:
        """The pictures that were left out: file name and reason."""
        table = io.StringIO()
        rows = csv.writer(table)
        rows.writerow(["file_name", "reason"])
        rows.writerows(skipped)
        with replacing(self.root / "skipped.csv") as temporary:
            # A file name that is not UTF-8 is told in escapes.
            temporary.write_text(table.getvalue(), encoding="utf-8", errors="backslashreplace", newline="")


def model_in(folder: Path) -> Path:
    """The model folder of a run; a folder that holds none is one itself, or nothing."""
    inside = RunFolder(folder).model
    return inside if inside.is_dir() else folder


def _passing(name: str) -> bool:
    """The lock, and what a killed process left half written, are no strangers."""
    return name == "lock" or (name.startswith(".") and name.endswith(".tmp"))


def _read(file: Path) -> Any:
    try:
        return read_json(file)
    except ValueError:
        raise RunFolderError(f"{file} is damaged: choose another --out") from None


def _differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """The dotted names of the settings in which two records differ."""
    if not (isinstance(wanted, dict) and isinstance(found, dict)):
        return [] if wanted == found else [path]
    names = wanted.keys() | found.keys()
    return [
        name
        for key in sorted(names)
        for name in _differences(wanted.get(key), found.get(key), f"{path}.{key}".strip("."))
    ]
