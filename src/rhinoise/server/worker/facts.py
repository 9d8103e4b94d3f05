"""What a worker knows and the server wants to show: names to choose from, and what each model is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhinoise.pipeline.latent_diffusion import own_sampling
from rhinoise.storage.card import card
from rhinoise.storage.description import describe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.catalogue import TABLES, catalogue
from rhinoise.workflows.opened import Stamp, stamp_of
from rhinoise.workflows.paths import find_model

_KNOWN: dict[Path, tuple[Stamp, dict[str, Any]]] = {}
"""Folder => what its files were, and what was found there: to hash the weights takes seconds."""


def facts(models: Mapping[str, str]) -> dict[str, Any]:
    """Tables of names, and a record per model that can be opened."""
    return {
        "names": {kind: catalogue(kind) for kind in TABLES},
        "models": {name: _model(place) for name, place in models.items()},
    }


def _model(place: str) -> dict[str, Any]:
    """A model as its card tells of it, or why it cannot be opened."""
    try:
        run = RunFolder(find_model(place))
        record = _record(run.model if run.model.is_dir() else run.root)
        few = _record(run.few_steps) if run.few_steps.is_dir() else None
    except Exception as error:  # deleted meanwhile, or an odd folder: the others are told of all the same
        return {"error": str(error)}
    return record | {"few_steps": few and {name: few[name] for name in ("hash", "sampling")}}


def _record(folder: Path) -> dict[str, Any]:
    """What is found in a folder, whose files are read again when they have changed."""
    stamp = stamp_of(folder)
    before, record = _KNOWN.get(folder, (None, {}))
    if before != stamp:
        found = describe(folder)
        record = {
            "size": found.facts.get("size"),
            "hash": found.hash,
            "recipe": found.facts.get("recipe"),
            "sampling": vars(own_sampling(found.facts)),
            "bytes": sum(part.bytes for part in found.parts),
            "card": card(found),
        }
        _KNOWN[folder] = stamp, record
    return record
