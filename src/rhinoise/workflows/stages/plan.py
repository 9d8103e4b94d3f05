"""The plan of a training, checked before step 0; every refusal names its remedy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from rhinoise.core.errors import DiskFullError, PlanError, UnknownNameError
from rhinoise.core.files import cache_folder, free_bytes
from rhinoise.diffusion.predictions import PREDICTIONS
from rhinoise.nets.autoencoder import CentredAutoencoder
from rhinoise.nets.contrastive import SMALLEST
from rhinoise.nets.features import FEATURES
from rhinoise.nets.text import FrozenTextEncoder, TextConfig, TextEncoder
from rhinoise.nets.transformer import TransformerConfig
from rhinoise.nets.unet import UNetConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.recipes.recipe import Recipe
from rhinoise.storage.schedulers import READ_ALIKE
from rhinoise.training.checkpoint import KEPT

SAMPLE = 512
"""Latents that are looked at to see whether they are centred."""
LEAST_STEPS = 10
"""Fewer steps than these teach nothing."""
CHECKPOINTS = KEPT + 3
"""Files of them at a time: the newest, two more to go back to, and the one that is being written."""
COPIES = 4
"""Weights, their average and two moments: what a checkpoint holds of every number."""


def check_shapes(recipe: Recipe, autoencoder: CentredAutoencoder) -> None:
    """PlanError unless pictures, autoencoder and network fit together."""
    factor = autoencoder.factor
    if recipe.size % factor or recipe.size < factor:
        below = max(recipe.size // factor, 1) * factor
        raise PlanError(
            f"--size {recipe.size} is not a multiple of {factor}, the autoencoder's factor: "
            f"take {below} or {below + factor}"
        )
    network = recipe.network
    _check_network(network, network_channels(network), autoencoder.latent_channels)
    if isinstance(network, UNetConfig):
        _check_network(network, ("out_channels", network.out_channels), autoencoder.latent_channels)
    _check_network(network, ("sample_size", network.sample_size), recipe.size // factor)
    if (
        recipe.text_training == "contrastive"
        and isinstance(recipe.text, TextConfig)
        and recipe.size < SMALLEST
    ):
        raise PlanError(
            f"contrastive training of the text encoder wants pictures of {SMALLEST} pixels or more, not "
            f"{recipe.size}: --size {SMALLEST}, or --set text_training=joint"
        )


def check_text(recipe: Recipe, text_encoder: TextEncoder | FrozenTextEncoder) -> None:
    """PlanError unless text encoder and network fit together."""
    network = recipe.network
    if isinstance(network, UNetConfig):
        _check_network(network, ("cross_attention_dim", network.cross_attention_dim), text_encoder.width)
        return
    _check_network(network, ("text_width", network.text_width), text_encoder.width)
    if network.pooled_width:
        _check_network(network, ("pooled_width", network.pooled_width), text_encoder.pooled_width)


def network_channels(network: UNetConfig | TransformerConfig | UViTConfig) -> tuple[str, int]:
    """The setting that says how many channels a network takes, and its value."""
    if isinstance(network, UNetConfig):
        return "in_channels", network.in_channels
    return "channels", network.channels


def _check_network(
    network: UNetConfig | TransformerConfig | UViTConfig, setting: tuple[str, int], given: int
) -> None:
    name, wanted = setting
    if wanted != given:
        raise PlanError(
            f"the network is made for {name} {wanted} and would be given {given}: "
            f"--set network.{name}={given}"
        )


def check_latents(latents: Float[np.ndarray, "n c h w"], autoencoder: CentredAutoencoder) -> None:
    """PlanError unless every channel has mean 0 and variance 1, which is what noise levels are made for."""
    some = latents[:: max(1, len(latents) // SAMPLE)]
    mean, std = np.abs(some.mean((0, 2, 3))).max(), some.std((0, 2, 3))
    if not autoencoder.measured or not np.isfinite(some).all() or mean > 0.2 or np.abs(std - 1).max() > 0.2:
        raise PlanError(
            f"the latents are not centred (mean up to {mean:.2g}, deviations {std.min():.2g} to "
            f"{std.max():.2g}): a channel that never changes, or an autoencoder whose statistics were not "
            "measured; train it longer"
        )


def check_prediction(recipe: Recipe) -> None:
    """PlanError unless prediction and schedule go together: learning, drawing, and in the model folder."""
    predicts, schedule = recipe.prediction, recipe.schedule
    if predicts not in PREDICTIONS:
        raise UnknownNameError("prediction", predicts, PREDICTIONS)
    fitting = READ_ALIKE[schedule.name]
    if float(schedule.build()(torch.ones(1)).alpha) == 0:
        # Where there is nothing but noise, the noise says nothing of the picture.
        fitting = tuple(name for name in fitting if name != "epsilon")
    if predicts not in fitting:
        raise PlanError(
            f"'{predicts}' prediction does not go with this schedule ('{schedule.name}'): "
            + " or ".join(f"--set prediction={name}" for name in fitting)
        )


def check_losses(recipe: Recipe) -> None:
    """PlanError unless the discriminator, where there is one, is heard within the training.

    UnknownNameError for features that no table holds.
    """
    losses = recipe.losses
    if losses.perceptual_features not in FEATURES:
        raise UnknownNameError("perceptual_features", losses.perceptual_features, FEATURES)
    if losses.adversarial and recipe.discriminator is None:
        raise PlanError(
            "losses.adversarial asks for a discriminator and there is none: "
            '--set \'discriminator={"kind": "DiscriminatorConfig", "channels": 32, "layers": 2}\''
        )
    if losses.adversarial and not 0 <= losses.adversarial_start < 1:
        raise PlanError(
            f"the discriminator would start at {losses.adversarial_start:g} of the training, after its end: "
            "--set losses.adversarial_start=0.5"
        )


def check_room(out: Path, modules: Sequence[nn.Module], *, latent_numbers: int) -> None:
    """DiskFullError unless checkpoints and model have room in `out`, and the latents in the cache."""
    weights = sum(parameter.numel() for module in modules for parameter in module.parameters())
    for place, numbers, remedy in (
        (out, weights * COPIES * CHECKPOINTS, "choose an --out on another disk"),
        (cache_folder(), latent_numbers, "set RHINOISE_CACHE to another disk"),
    ):
        needed, free = 4 * numbers, free_bytes(place)
        if needed > free:
            raise DiskFullError(
                f"this training needs about {needed / 2**30:.1f} GiB in {place}, and there are "
                f"{free / 2**30:.1f} GiB: free some space, or {remedy}"
            )


def steps_for(seconds: float, seconds_per_step: float, *, stage: str) -> int:
    """A budget as steps; PlanError when not even LEAST_STEPS fit."""
    steps = int(seconds / seconds_per_step)
    if steps < LEAST_STEPS:
        raise PlanError(
            f"{max(seconds, 0):.0f} seconds are left for the {stage}, where a step takes "
            f"{seconds_per_step:.2f}: give more --minutes, or a smaller --size"
        )
    return steps
