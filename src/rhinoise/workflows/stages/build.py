"""A recipe's parts, made with random weights."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from rhinoise.nets.network import AUTOENCODERS, NETWORKS
from rhinoise.nets.text import FrozenTextEncoder, TextConfig, TextEncoder
from rhinoise.recipes.recipe import FrozenTextConfig

M = TypeVar("M")

_MODULES: dict[type, type] = dict((*AUTOENCODERS.values(), *NETWORKS.values()))


def seeded(seed: int, make: Callable[..., M], *settings: Any, **more: Any) -> M:
    """A module whose first weights are a function of `seed`; the global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(*settings, **more)


def build(config: Any, *, seed: int) -> Any:
    """The autoencoder or network of a config."""
    return seeded(seed, _MODULES[type(config)], config)


def build_text_encoder(
    config: TextConfig | FrozenTextConfig, captions: Sequence[str], *, seed: int
) -> TextEncoder | FrozenTextEncoder:
    """The text encoder of a config: a new one with a tokenizer learnt from `captions`, or a frozen one."""
    if isinstance(config, TextConfig):
        return TextEncoder.create(captions, config, seed=seed)
    return FrozenTextEncoder.named(config.model, context=config.context, hub=config.hub)
