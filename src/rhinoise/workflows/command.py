"""The command that trains a recipe, as it would be typed: `choose`, backwards."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

from rhinoise.core.config import KIND, to_json
from rhinoise.recipes import RECIPES, Recipe
from rhinoise.storage.bundle import Bundle
from rhinoise.workflows.start import continued

FLAGS = ("minutes", "images", "seed")
"""Settings that have a flag of their own."""


def command(source: str, recipe: Recipe, start: Bundle | None = None) -> str | None:
    """`rhinoise train SOURCE ... --out RUN`; None for a recipe that has no name in RECIPES."""
    if start is not None:
        plain, words = continued(start), ["--from", "MODEL"]
    elif recipe.name in RECIPES:
        plain, words = (
            RECIPES[recipe.name](recipe.size),
            ["--recipe", recipe.name, "--size", str(recipe.size)],
        )
    else:
        return None
    for name, value in _changed(to_json(plain), to_json(recipe)):
        if name not in FLAGS:
            words += ["--set", f"{name}={json.dumps(value)}"]
        elif value is not None:  # minutes are given up for images, and the other way round
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(["rhinoise", "train", source, *words, "--out", "RUN"])


def _changed(plain: Any, wanted: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The settings in which `wanted` differs, by dotted name; a group of another kind as a whole."""
    if isinstance(plain, dict) and isinstance(wanted, dict) and plain.get(KIND) == wanted.get(KIND):
        for name in wanted:
            yield from _changed(plain[name], wanted[name], f"{path}.{name}".strip("."))
    elif plain != wanted:
        yield path, wanted
