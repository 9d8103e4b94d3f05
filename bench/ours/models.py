"""Models to measure: random weights, for speed does not depend on what they have learnt."""

from pathlib import Path

from torch import nn

from rhinoise.core.config import to_json
from rhinoise.nets.autoencoder import CentredAutoencoder
from rhinoise.nets.text import FrozenTextEncoder, TextEncoder
from rhinoise.nets.unet import UNetConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.recipes import RECIPES
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.bundle import Bundle
from rhinoise.workflows.stages.build import build, build_text_encoder

CAPTIONS = ("a red heart", "a blue chair on a table", "a rhinoceros, openmoji style", "three yellow circles")

MATCHED = UNetConfig(
    sample_size=16,
    in_channels=4,
    out_channels=4,
    block_out_channels=(128, 256, 256),
    attention=(True, True, False),
    heads=(4, 8, 8),
    transformer_layers=(1, 1, 1),
    cross_attention_dim=384,
)
"""35.5 M weights: what the peer trains too, weight for weight."""


def model(recipe: str, size: int) -> LatentDiffusion:
    """A recipe's model for pictures of `size` pixels, as if it had been trained."""
    return LatentDiffusion.of(bundle(RECIPES[recipe](size)))


def bundle(
    made: Recipe,
    autoencoder: CentredAutoencoder | None = None,
    network: nn.Module | None = None,
    text_encoder: TextEncoder | FrozenTextEncoder | None = None,
) -> Bundle:
    """A recipe's parts; those that are not given have random weights."""
    return Bundle(
        autoencoder=autoencoder or build(made.autoencoder, seed=0),
        text_encoder=text_encoder or build_text_encoder(made.text, CAPTIONS * 2, seed=0),
        network=network or build(made.network, seed=0),
        predicts=made.prediction,
        schedule=made.schedule,
        facts={"size": made.size, "recipe": made.name, "sampling": to_json(made.sampling)},
    )


def save(recipe: str, size: int, folder: str) -> None:
    """Write such a model's folder."""
    model(recipe, size).save(Path(folder))
