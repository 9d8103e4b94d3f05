"""A recipe as a person asks for it: by name and size, with some of its settings changed."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import ImageColor

from rhinoise.core.config import overridden
from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.core.images import Colour
from rhinoise.recipes import RECIPES, Recipe
from rhinoise.training.distillation import DistillationConfig
from rhinoise.workflows.defaults import DEFAULT_RECIPE, DEFAULT_SIZE
from rhinoise.workflows.start import check_own, continued, open_start


def choose(
    name: str | None = None,
    size: int | None = None,
    *,
    start: Path | str | None = None,
    minutes: float | None = None,
    images: int | None = None,
    settings: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
) -> Recipe:
    """RECIPES[name] for pictures of `size` pixels, or the recipe of the model to start from, changed.

    Args:
        name: a name in RECIPES; None is DEFAULT_RECIPE.
        size: height and width of the pictures; None is DEFAULT_SIZE.
        start: a model to start from, whose recipe and size it then is.
        minutes: the budget in minutes; None keeps the recipe's.
        images: the budget in pictures seen, instead of one in minutes.
        settings: dotted name => value; a value of None is left as the recipe has it.
        assignments: `a.b=c`, applied last and in order; the whole is checked once, at the end.

    Raises:
        UnknownNameError: no recipe, or no setting, of this name.
        ConfigError: a value that does not fit, two budgets, or what the model to start from cannot change.
        ModelFolderError: no model to start from.
    """
    changes = (*_budget(minutes, images), *_assignments(settings or {}), *assignments)
    if start is not None:
        return _from_model(start, name, size, changes)
    if any(change.startswith("adapt") for change in changes):
        raise ConfigError("--adapt says how a model is changed: say which one, for example --from bundled")
    name = DEFAULT_RECIPE if name is None else name
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return overridden(RECIPES[name](DEFAULT_SIZE if size is None else size), changes)


def _from_model(start: Path | str, name: str | None, size: int | None, changes: Iterable[str]) -> Recipe:
    """The recipe of a model, changed where a training from it can be."""
    own = continued(open_start(start))
    if name not in (None, own.name):
        raise ConfigError(f"the model {start} goes on by its own recipe, '{own.name}': leave --recipe out")
    if size not in (None, own.size):
        raise ConfigError(
            f"the model {start} draws {own.size} x {own.size} pixels and learns no others: leave --size out, "
            "or train from scratch, without --from"
        )
    chosen = overridden(own, changes)
    check_own(chosen, own)
    return chosen


def choose_distillation(
    *,
    minutes: float | None = None,
    images: int | None = None,
    settings: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
) -> DistillationConfig:
    """A distillation, likewise."""
    changes = (*_budget(minutes, images), *_assignments(settings or {}), *assignments)
    return overridden(DistillationConfig(), changes)


def colour(text: str) -> Colour:
    """A colour's name or #rrggbb => red, green and blue; ConfigError when it is neither."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        raise ConfigError(f"'{text}' is not a colour: write a name such as white, or #rrggbb") from None
    return red, green, blue


def _budget(minutes: float | None, images: int | None) -> list[str]:
    if minutes is not None and images is not None:
        raise ConfigError("the budget is --minutes or --images: give one of them")
    if images is not None:
        return [f"images={images}", "minutes=null"]
    return [] if minutes is None else [f"minutes={minutes}", "images=null"]


def _assignments(settings: Mapping[str, Any]) -> list[str]:
    return [f"{name}={json.dumps(value)}" for name, value in settings.items() if value is not None]
