"""The command on a model card chooses the very recipe that the model was trained by."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from rhinoise.core.config import overridden
from rhinoise.recipes import RECIPES, Recipe
from rhinoise.workflows.choose import choose
from rhinoise.workflows.command import command
from rhinoise.workflows.start import continued, open_start

CHANGES = (
    [],
    ["minutes=90", "images=null"],
    ["images=5000", "minutes=null"],
    ["seed=7", "data.background=[1,2,3]", "fit_denoiser.learning_rate=0.00015"],
    ['discriminator={"kind": "DiscriminatorConfig", "channels": 32, "layers": 2}', "losses.adversarial=0.1"],
)


def chosen(words: list[str], start: Path | None = None) -> Recipe:
    """What the command line makes of these words."""
    flags: dict[str, list[str]] = {}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        flags.setdefault(flag, []).append(value)
    number = {name: float(flags[f"--{name}"][0]) for name in ("minutes",) if f"--{name}" in flags}
    number |= {name: int(flags[f"--{name}"][0]) for name in ("images", "size") if f"--{name}" in flags}
    seed = int(flags["--seed"][0]) if "--seed" in flags else None
    return choose(
        flags.get("--recipe", [None])[0],
        start=start,
        settings={"seed": seed},
        assignments=flags.get("--set", ()),
        **number,
    )


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("changes", CHANGES, ids=len)
def test_it_chooses_the_same_recipe(name: str, changes: list[str]) -> None:
    recipe = overridden(RECIPES[name](64), changes)
    words = shlex.split(command("my pictures", recipe) or "")
    assert words[:3] == ["rhinoise", "train", "my pictures"]
    assert words[-2:] == ["--out", "RUN"]
    assert chosen(words[3:-2]) == recipe


def test_from_a_model_it_chooses_the_same_recipe(trained: Path) -> None:
    parts = open_start(trained)
    recipe = overridden(continued(parts), ["images=100", "minutes=null", "adapt.rank=4"])
    words = shlex.split(command("mine", recipe, parts) or "")
    assert words[3:5] == ["--from", "MODEL"]
    assert chosen(words[5:-2], start=trained) == recipe


def test_a_recipe_without_a_name_has_no_command() -> None:
    assert command("mine", replace(RECIPES["lean"](64), name="mine")) is None
