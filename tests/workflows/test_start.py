"""A training that starts from a model: its recipe, and what it may not change."""

from dataclasses import replace
from pathlib import Path

import pytest

from rhinoise.core.errors import ConfigError, ModelFolderError
from rhinoise.pipeline.latent_diffusion import STOCK_SAMPLING
from rhinoise.recipes import RECIPES
from rhinoise.storage.bundled import BUNDLED
from rhinoise.workflows.choose import choose
from rhinoise.workflows.start import GENTLER, OWN, UNUSED, continued, located, open_start


def test_the_recipe_is_the_models_own_with_the_denoiser_alone_to_train(trained: Path) -> None:
    parts = open_start(trained)
    recipe = continued(parts)
    assert (recipe.name, recipe.size, recipe.adapt.method) == ("lean", 16, "both")
    assert recipe.network == parts.network.config
    assert recipe.autoencoder == parts.autoencoder.config
    assert recipe.text == parts.text_encoder.config
    assert recipe.shares.denoiser == 1
    rate = RECIPES["lean"](16).fit_denoiser.learning_rate
    assert recipe.fit_denoiser.learning_rate == GENTLER * rate
    # What goes on from what went on is not gentler still.
    again = replace(parts, facts={**parts.facts, "settings": _json(recipe)})
    assert continued(again).fit_denoiser == recipe.fit_denoiser


def _json(recipe: object) -> object:
    from rhinoise.core.config import to_json

    return to_json(recipe)


def test_settings_of_the_training_may_be_changed(trained: Path) -> None:
    recipe = choose(start=trained, minutes=3.0, settings={"adapt.method": "low-rank"}, assignments=["seed=4"])
    assert (recipe.minutes, recipe.adapt.method, recipe.seed) == (3.0, "low-rank", 4)
    assert choose("lean", 16, start=trained) == continued(open_start(trained))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"size": 32}, "draws 16 x 16 pixels and learns no others: leave --size out"),
        ({"name": "stock"}, "'lean': leave --recipe out"),
        ({"assignments": ["network.depth=3"]}, "keeps its network: leave --set network out"),
        ({"assignments": ["autoencoder.latent_channels=6", "network.channels=6"]}, "keeps its autoencoder"),
        ({"assignments": ["prediction=sample"]}, "keeps its prediction"),
        ({"assignments": ["size=24"]}, "keeps its size"),
        ({"assignments": ["text_training=joint"]}, "keeps its text_training"),
        ({"assignments": ["fit_text.batch=9"]}, "no use for fit_text: leave --set fit_text out"),
        ({"assignments": ["adapt=null"]}, "--adapt full"),
    ],
)
def test_another_shape_is_refused_in_a_sentence(trained: Path, asked: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        choose(start=trained, **asked)


def test_all_that_is_the_models_own_or_idle_is_a_setting() -> None:
    assert {*OWN, *UNUSED} <= set(vars(RECIPES["lean"](64)))


def test_adapting_without_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="--from bundled"):
        choose(settings={"adapt.method": "full"})


def test_a_model_that_does_not_say_its_recipe_gets_one_that_fits(trained: Path) -> None:
    parts = open_start(trained)
    facts = {name: value for name, value in parts.facts.items() if name != "settings"}
    recipe = continued(replace(parts, facts=facts))
    assert recipe == replace(
        continued(parts),
        fit_denoiser=recipe.fit_denoiser,
        contrastive=recipe.contrastive,
        fit_autoencoder=recipe.fit_autoencoder,
        fit_text=recipe.fit_text,
    )
    assert continued(replace(parts, facts={})).sampling == STOCK_SAMPLING


def test_a_recipe_that_cannot_be_read_is_told(trained: Path) -> None:
    parts = open_start(trained)
    settings = {**parts.facts["settings"], "colour": "green"}
    with pytest.raises(ModelFolderError, match="another version of rhinoise"):
        continued(replace(parts, facts={**parts.facts, "settings": settings}))


def test_a_place_is_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert located(BUNDLED) == BUNDLED
    assert located("./bundled") == str(tmp_path / "bundled")
    assert located(Path("bundled")) == str(tmp_path / "bundled")
