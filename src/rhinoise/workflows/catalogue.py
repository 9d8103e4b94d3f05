"""What there is to choose from: every table of names, with a line about each entry from its own docstring."""

import inspect
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from rhinoise.core.errors import UnknownNameError
from rhinoise.data import sources
from rhinoise.diffusion import predictions, samplers, schedules, timesteps
from rhinoise.nets import features, network
from rhinoise.recipes import RECIPES

TABLES: dict[str, tuple[Mapping[str, Any], ModuleType | None]] = {
    "recipes": (RECIPES, None),
    "datasets": (sources.DATASETS, None),
    "samplers": (samplers.SAMPLERS, samplers),
    "schedules": (schedules.SCHEDULES, schedules),
    "spacings": (timesteps.SPACINGS, timesteps),
    "predictions": (predictions.PREDICTIONS, predictions),
    "networks": (network.NETWORKS, None),
    "autoencoders": (network.AUTOENCODERS, None),
    "features": (features.FEATURES, features),
}
"""Kind => its entries, and the module whose docstring has a line for each, where there is one."""


def catalogue(kind: str) -> dict[str, str]:
    """The names of one kind => what each is; UnknownNameError for a kind that is none."""
    if kind not in TABLES:
        raise UnknownNameError("kind of thing", kind, TABLES)
    entries, module = TABLES[kind]
    return {name: _line_in(module, name) if module else _said_by(entry) for name, entry in entries.items()}


def _line_in(module: ModuleType, name: str) -> str:
    """What the table in a module's docstring says of a name."""
    found = re.search(rf"^{re.escape(name)}\s+(.*)$", inspect.getdoc(module) or "", re.MULTILINE)
    return re.sub(r"\s{2,}", "; ", found[1]) if found else ""


def _said_by(entry: Any) -> str:
    """The first line of an entry's docstring; a recipe's is its module's, with the command to train it."""
    if isinstance(entry, tuple):
        entry = entry[-1]
    if entry in RECIPES.values():
        entry = inspect.getmodule(entry)
    return (inspect.getdoc(entry) or "").partition("\n")[0]
