"""What the worker knows and the server wants to show: names to choose from, and what each model is."""

from collections.abc import Mapping
from typing import Any

from rhinoise.core.backend import best_device
from rhinoise.pipeline.latent_diffusion import own_sampling
from rhinoise.storage.card import card
from rhinoise.storage.description import describe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.catalogue import TABLES, catalogue
from rhinoise.workflows.paths import find_model


def facts(models: Mapping[str, str]) -> dict[str, Any]:
    """Tables of names, the device, and a record per model that can be opened."""
    return {
        "device": str(best_device()),
        "names": {kind: catalogue(kind) for kind in TABLES},
        "models": {name: _model(place) for name, place in models.items()},
    }


def _model(place: str) -> dict[str, Any]:
    """A model as its card tells of it, or why it cannot be opened."""
    try:
        run = RunFolder(find_model(place))
        found = describe(run.model if run.model.is_dir() else run.root)
        sampling = own_sampling(found.facts)
        few = describe(run.few_steps) if run.few_steps.is_dir() else None
    except Exception as error:  # deleted meanwhile, or an odd folder: the others are told of all the same
        return {"error": str(error)}
    return {
        "size": found.facts.get("size"),
        "hash": found.hash,
        "recipe": found.facts.get("recipe"),
        "sampling": vars(sampling),
        "few_steps": few and {"hash": few.hash, "sampling": vars(own_sampling(few.facts))},
        "bytes": sum(part.bytes for part in found.parts),
        "card": card(found),
    }
