"""What a model folder is and what opens it; and a copy of it, its weights in another type.

From a run the copy takes along what the run alone knows: hours, steps, scores, the model for few steps.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from rhinoise.core.errors import ConfigError, RunFolderError, UnknownNameError
from rhinoise.core.files import replacing_folder
from rhinoise.nets.on_disk import Weights
from rhinoise.storage import bundle
from rhinoise.storage.card import CARD
from rhinoise.storage.description import Description, describe
from rhinoise.storage.index import FACTS, INDEX, OURS, read_facts, read_index
from rhinoise.storage.run_folder import FEW_STEPS, STEPS, RunFolder, model_in
from rhinoise.workflows.defaults import DEFAULT_MODEL
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import find_model
from rhinoise.workflows.scoring.scores import kept_scores, kept_tables


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """Which model, and where a copy goes, if one is wanted."""

    model: Path | str = DEFAULT_MODEL
    """A run, a model folder, or "bundled"."""
    out: Path | None = None
    weights: str | None = None
    """The type of the copy's matrices: fp32 or bf16; None: as they are, or fp32."""


def convert(request: ConvertRequest) -> Generator[Event, None, Description]:
    """Write the copy, where one is asked for; return what the copy, or else the model, is.

    Raises:
        ModelFolderError: there is no model, or not a whole one.
        RunFolderError: something else is in the copy's place.
    """
    folder = find_model(request.model)
    run = RunFolder(folder)
    model = model_in(folder)
    found = describe(model)
    if request.out is None:
        if request.weights is not None:
            raise ConfigError("--weights is how a copy is written: say where to, --out FOLDER")
        return found
    kind = _kind(request.weights, found)
    _check_place(request.out, folder, model)
    facts = yield from _of_run(run, found) if run.model.is_dir() else _nothing()
    with replacing_folder(request.out) as new:
        _copy(model, new, kind, facts)
        if run.few_steps.is_dir():
            # The scores are the first model's.
            kept = {name: value for name, value in facts.items() if name != "scores"}
            _copy(run.few_steps, new / FEW_STEPS, kind, kept)
    yield Wrote(request.out)
    return describe(request.out)


def _nothing() -> Generator[Event, None, dict[str, Any]]:
    yield from ()
    return {}


def _kind(asked: str | None, found: Description) -> Weights:
    wanted = asked or next(part.weights for part in found.parts if part.what == "network")
    for known in get_args(Weights):
        if wanted == known:
            return known
    if asked is None:
        return "fp32"
    raise UnknownNameError("type of weights", asked, get_args(Weights))


def _check_place(out: Path, folder: Path, model: Path) -> None:
    """RunFolderError unless `out` is free, or holds a model folder of ours and nothing else."""
    if {out.resolve(), *out.resolve().parents} & {folder.resolve(), model.resolve()}:
        raise RunFolderError(f"--out {out} is the model itself, or inside it: choose another place")
    if not out.exists():
        return
    if not out.is_dir():
        raise RunFolderError(f"--out {out} is a file, wanted a folder: choose another name")
    strangers = sorted(_files(out) - _own(out) - {f"{FEW_STEPS}/{name}" for name in _own(out / FEW_STEPS)})
    if strangers:
        raise RunFolderError(
            f"--out {out} holds {strangers[0]}, which is not of a model folder that rhinoise wrote: choose "
            "another place"
        )


def _files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()}


def _own(folder: Path) -> set[str]:
    """The files that a model folder of ours is made of; none where there is no such folder."""
    if not (folder / FACTS).is_file() or OURS not in read_index(folder):
        return set()
    return {*read_facts(folder, ours=True)["files"], FACTS, INDEX, CARD}


def _copy(model: Path, to: Path, kind: Weights, facts: dict[str, Any]) -> None:
    parts = bundle.load(model)
    own = {"context": parts.text_encoder.context}
    bundle.save(to, replace(parts, facts={**parts.facts, **own, **facts}), kind)


def _of_run(run: RunFolder, model: Description) -> Generator[Event, None, dict[str, Any]]:
    """What the run knows of its model: how long it took, its steps, its scores."""
    record, plan = run.record(), run.plan()
    steps = {name.removesuffix(STEPS): n for name, n in plan.items() if name.endswith(STEPS)}
    if "start" not in record:  # the model may still be on its way
        steps |= {"denoiser": model.facts["denoiser_steps"]}
    facts: dict[str, Any] = {"hours": round(plan.get("seconds", 0.0) / 3600, 2), "steps": steps}
    scores = _scores(run.root / "scores.json", model.hash)
    if scores is None:
        yield Said(f"the card has no scores of this model yet: rhinoise evaluate {run.root} measures them")
    else:
        facts["scores"] = scores
    return facts


def _scores(file: Path, model_hash: str) -> list[dict[str, Any]] | None:
    """What an evaluation of this very model found, as tables for people; None where there was none."""
    tables = kept_tables(kept_scores(file, model_hash))
    return [{"title": title, "rows": rows} for title, rows in tables] or None
