"""What a run, or a model folder, says of itself: read from its files, without opening its model."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhinoise.core.config import from_json
from rhinoise.explain.chapters.training import StageTime
from rhinoise.recipes import Recipe
from rhinoise.storage.bundled import model_folder
from rhinoise.storage.index import INDEX, OURS, read_facts, read_index
from rhinoise.storage.run_folder import STEPS, RunFolder, model_in
from rhinoise.workflows.paths import find_model
from rhinoise.workflows.scoring.scores import kept_scores
from rhinoise.workflows.stages.adapt import ADAPTED, LOW_RANK, WAYS
from rhinoise.workflows.stages.few_steps import DISTILLED
from rhinoise.workflows.stages.stage import HELD_OUT

SHEET = re.compile(r"(?P<way>low-rank-)?(?P<step>\d{7,})\.png")
"""The names of what was drawn at the looks of a training."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """All that is known of a run without its model; empty where there is nothing."""

    place: Path
    is_run: bool
    has_model: bool
    source: str | None
    """Of its pictures, as it was given."""
    start: str | None
    """The model that it was told to start from."""
    recipe: Recipe | None
    plan: Mapping[str, Any]
    entries: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    hash: str
    skipped: Sequence[tuple[str, str]]
    scores: Mapping[str, Any]
    """Of this very model; those of an older one are not its own."""

    @property
    def run(self) -> RunFolder:
        """Where its files are."""
        return RunFolder(self.place)

    @property
    def way(self) -> str:
        """The stage that trained the denoiser which is the model."""
        kept = self.plan.get(ADAPTED, {}).get("kept")
        stages = {entry["stage"] for entry in self.entries}
        return LOW_RANK if kept == LOW_RANK or (kept is None and "denoiser" not in stages) else "denoiser"

    @property
    def looks(self) -> tuple[tuple[int, float], ...]:
        """Step and loss on held-out pictures of that stage."""
        name = WAYS[LOW_RANK].held_out if self.way == LOW_RANK else HELD_OUT
        return tuple((entry["step"], entry["loss"]) for entry in self.entries if entry["stage"] == name)

    @property
    def stages(self) -> list[StageTime]:
        """Every stage that was begun, in order."""
        last = {entry["stage"]: entry for entry in self.entries if "losses" in entry}
        return [
            StageTime(
                name=name,
                steps=entry["step"],
                planned=self.plan.get(name + STEPS),
                pictures=entry["images"],
                seconds=entry["seconds"],
            )
            for name, entry in last.items()
        ]

    @property
    def finished(self) -> bool:
        """Whether everything was done that was planned; a model folder is."""
        if not self.is_run:
            return True
        stages, recipe = {stage.name: stage for stage in self.stages}, self.recipe
        if recipe is not None and recipe.distillation is not None and DISTILLED not in self.plan:
            return False
        if self.start is not None:
            return ADAPTED in self.plan
        return "denoiser" in stages and stages["denoiser"].steps == stages["denoiser"].planned

    @property
    def samples(self) -> list[tuple[int, Path]]:
        """Step and sheet of what that stage drew at its looks, without the one before training."""
        prefix = "low-rank-" if self.way == LOW_RANK else None
        files = self.run.samples.glob("*.png") if self.is_run else ()
        found = [(match, file) for file in files if (match := SHEET.fullmatch(file.name))]
        own = [(int(match["step"]), file) for match, file in found if match["way"] == prefix]
        return sorted((step, file) for step, file in own if step)


def kept(name: Path | str) -> Kept:
    """What there is; ModelFolderError or RunFolderError when it is neither run nor model folder."""
    place = model_folder(name)
    is_run = (place / "recipe.json").is_file()
    place = place if is_run else find_model(name)
    run = RunFolder(place)
    record = run.record() if is_run else {}
    inside = model_in(place)
    about: Mapping[str, Any] = {}
    has_model = (inside / INDEX).is_file()
    if has_model or not is_run:
        about = read_facts(inside, ours=OURS in read_index(inside))
    settings = record.get("recipe", about.get("facts", {}).get("settings"))
    return Kept(
        place=place,
        is_run=is_run,
        has_model=has_model,
        source=record.get("source", about.get("facts", {}).get("data", {}).get("name")),
        start=record.get("start", {}).get("model"),
        recipe=None if settings is None else from_json(Recipe, settings),
        plan=run.plan() if is_run else {},
        entries=run.entries() if is_run else [],
        facts=about.get("facts", {}),
        hash=about.get("hash", ""),
        skipped=_skipped(place / "skipped.csv"),
        scores=kept_scores(place / "scores.json", about.get("hash", "")),
    )


def _skipped(file: Path) -> list[tuple[str, str]]:
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return [(row[0], row[1]) for row in list(csv.reader(lines))[1:]]
