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

_KNOWN: dict[str, tuple[Stamp, dict[str, Any]]] = {}
"""Place => what its files were, and what was found there: to hash the weights takes seconds."""


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
        folder = run.model if run.model.is_dir() else run.root
        stamp = stamp_of(folder)
        before, record = _KNOWN.get(place, (None, {}))
        if before != stamp:
            record = _record(folder)
            _KNOWN[place] = stamp, record
    except Exception as error:  # deleted meanwhile, or an odd folder: the others are told of all the same
        return {"error": str(error)}
    return record | {"few_steps": run.few_steps.is_dir()}


def _record(folder: Path) -> dict[str, Any]:
    found = describe(folder)
    return {
        "size": found.facts.get("size"),
        "hash": found.hash,
        "recipe": found.facts.get("recipe"),
        "sampling": vars(own_sampling(found.facts)),
        "bytes": sum(part.bytes for part in found.parts),
        "card": card(found),
    }
