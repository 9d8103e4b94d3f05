"""Complete, named configurations: functions that return a Recipe."""

from collections.abc import Callable

from rhinoise.recipes.bundled import bundled
from rhinoise.recipes.lean import lean
from rhinoise.recipes.recipe import Recipe
from rhinoise.recipes.stock import stock

RECIPES: dict[str, Callable[[int], Recipe]] = {"lean": lean, "stock": stock, "bundled": bundled}
"""Name => the recipe for pictures of a given size, in pixels."""

__all__ = ["RECIPES", "Recipe"]
