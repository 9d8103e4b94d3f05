"""A recipe as a person asks for it: by name and size, with some of its settings changed."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import ImageColor

from rhinoise.core.config import overridden
from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.core.images import Colour
from rhinoise.recipes import RECIPES, Recipe
from rhinoise.training.distillation import DistillationConfig
from rhinoise.workflows.defaults import DEFAULT_RECIPE, DEFAULT_SIZE


def choose(
    name: str = DEFAULT_RECIPE,
    size: int = DEFAULT_SIZE,
    *,
    minutes: float | None = None,
    images: int | None = None,
    settings: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
) -> Recipe:
    """RECIPES[name] for pictures of `size` pixels, changed.

    Args:
        name: a name in RECIPES.
        size: height and width of the pictures.
        minutes: the budget in minutes; None keeps the recipe's.
        images: the budget in pictures seen, instead of one in minutes.
        settings: dotted name => value; a value of None is left as the recipe has it.
        assignments: `a.b=c`, applied last and in order; the whole is checked once, at the end.

    Raises:
        UnknownNameError: no recipe, or no setting, of this name.
        ConfigError: a value that does not fit, or two budgets.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    changes = (*_budget(minutes, images), *_assignments(settings or {}), *assignments)
    return overridden(RECIPES[name](size), changes)


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
    return [] if minutes is None else [f"minutes={minutes}"]


def _assignments(settings: Mapping[str, Any]) -> list[str]:
    return [f"{name}={json.dumps(value)}" for name, value in settings.items() if value is not None]
