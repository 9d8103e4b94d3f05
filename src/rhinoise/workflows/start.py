"""A training that starts from a model: the model, and the recipe that it goes on by."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from rhinoise.core.config import from_json
from rhinoise.core.errors import ConfigError, ModelFolderError, RhinoiseError
from rhinoise.nets.text import FrozenTextEncoder
from rhinoise.nets.unet import UNet
from rhinoise.pipeline.latent_diffusion import own_sampling
from rhinoise.recipes import RECIPES, Recipe
from rhinoise.recipes.recipe import DataConfig, FrozenTextConfig, Shares
from rhinoise.storage import bundle
from rhinoise.storage.bundle import Bundle
from rhinoise.storage.bundled import BUNDLED
from rhinoise.storage.run_folder import model_in
from rhinoise.training.fit import FitConfig
from rhinoise.training.low_rank import AdaptConfig
from rhinoise.workflows.paths import find_model

MINUTES = 10.0
GENTLER = 0.25
"""The learning rate of all weights, as a part of what they were trained with from scratch."""
OWN = ("size", "autoencoder", "text", "text_training", "network", "prediction", "schedule")
"""What the model brings and a training from it cannot change."""
UNUSED = ("contrastive", "losses", "discriminator", "fit_autoencoder", "fit_text", "shares")
"""What says how the other stages are trained, of which such a training has none."""


def open_start(name: Path | str) -> Bundle:
    """The parts of the model to start from; ModelFolderError says what is wrong."""
    return bundle.load(model_in(find_model(name)))


def located(name: Path | str) -> str:
    """The same model's name from anywhere."""
    return BUNDLED if name == BUNDLED else str(Path(name).resolve())


def continued(parts: Bundle) -> Recipe:
    """The recipe that the model was made by, its parts as they are, for a training of the denoiser alone.

    A model that does not say its recipe, of older versions or other makers, gets one that fits its network.
    """
    facts, config = parts.facts, cast(Any, parts.network.config)
    size = facts.get("size") or config.sample_size * parts.autoencoder.factor
    if "settings" in facts:
        made_by = _read(facts["settings"])
    else:
        fitting = RECIPES["stock" if isinstance(parts.network, UNet) else "lean"](size)
        made_by = replace(fitting, sampling=own_sampling(facts))
    text = parts.text_encoder
    return replace(
        made_by,
        size=size,
        minutes=MINUTES,
        images=None,
        data=replace(DataConfig(), fit=made_by.data.fit, background=made_by.data.background),
        autoencoder=cast(Any, parts.autoencoder).config,
        text=(
            FrozenTextConfig(model=text.model.config.model_type, context=text.context)
            if isinstance(text, FrozenTextEncoder)
            else text.config
        ),
        text_training="random",
        network=config,
        prediction=parts.predicts,
        schedule=parts.schedule,
        fit_denoiser=made_by.fit_denoiser if made_by.adapt else _gentler(made_by.fit_denoiser),
        shares=Shares(autoencoder=0.0, text=0.0, denoiser=1.0),
        adapt=AdaptConfig(),
        distillation=None,
    )


def _read(settings: Any) -> Recipe:
    try:
        return from_json(Recipe, settings)
    except RhinoiseError as error:
        raise ModelFolderError(
            f"the recipe that the model was trained by cannot be read ({error}): it is of another version of "
            "rhinoise"
        ) from error


def _gentler(config: FitConfig) -> FitConfig:
    return replace(config, learning_rate=GENTLER * config.learning_rate)


def check_own(chosen: Recipe, own: Recipe) -> None:
    """ConfigError where settings were changed that a model brings."""
    changed = [name for name in OWN if getattr(chosen, name) != getattr(own, name)]
    if changed:
        raise ConfigError(
            f"a training that starts from a model keeps its {changed[0]}: leave --set {changed[0]} out, or "
            "train from scratch, without --from"
        )
    idle = [name for name in UNUSED if getattr(chosen, name) != getattr(own, name)]
    if idle:
        raise ConfigError(
            f"a training that starts from a model trains its denoiser alone and has no use for {idle[0]}: "
            f"leave --set {idle[0]} out, or train from scratch, without --from"
        )
    if chosen.adapt is None:
        raise ConfigError("a training that starts from a model changes it somehow: --adapt full, for example")
