import pytest

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.recipes import RECIPES
from rhinoise.workflows.choose import choose, colour


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_chosen_by_name_alone_is_the_recipe(name: str) -> None:
    assert choose(name, 64) == RECIPES[name](64)


def test_settings_are_changed_and_assignments_have_the_last_word() -> None:
    recipe = choose(
        "lean",
        32,
        minutes=2.5,
        settings={"seed": 3, "data.fit": None, "data.background": (1, 2, 3)},
        assignments=["seed=4", "network.depth=2"],
    )
    assert (recipe.minutes, recipe.seed, recipe.network.depth) == (2.5, 4, 2)
    assert recipe.data.background == (1, 2, 3)
    assert recipe.data.fit == RECIPES["lean"](32).data.fit


def test_a_budget_of_one_kind_replaces_that_of_the_other() -> None:
    recipe = choose("lean", 32, images=1000)
    assert (recipe.minutes, recipe.images) == (None, 1000)
    recipe = choose("bundled", 64, minutes=5.0)  # whose own budget is one in pictures
    assert (recipe.minutes, recipe.images) == (5.0, None)
    with pytest.raises(ConfigError, match="give one of them"):
        choose("lean", 32, images=1000, minutes=5.0)


def test_an_unknown_recipe_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'lean'"):
        choose("leen", 32)


def test_colours_have_names_and_numbers() -> None:
    assert colour("white") == colour("#fff") == colour("#FFFFFF") == (255, 255, 255)
    assert colour("#0a0b0c80") == (10, 11, 12)
    with pytest.raises(ConfigError, match="'whit' is not a colour"):
        colour("whit")


def test_shares_are_changed_together() -> None:
    shares = choose("lean", assignments=["shares.autoencoder=0.3", "shares.denoiser=0.65"]).shares
    assert (shares.autoencoder, shares.text, shares.denoiser) == (0.3, 0.05, 0.65)


@pytest.mark.parametrize(
    "setting",
    [
        "text.heads=0",
        "text.layers=0",
        "network.heads=0",
        "network.depth=0",
        "network.width=-4",
        "data.held_out=0.6",
        "data.held_out=-0.1",
        "seed=-1",
        f"seed={2**63}",
    ],
)
def test_what_is_out_of_range_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"1 or more|from 0 to"):
        choose("lean", assignments=[setting])
