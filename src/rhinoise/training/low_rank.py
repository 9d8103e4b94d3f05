"""Low-rank adaptation (Hu et al. 2022): W stays as it is, and B A is learnt beside it, of few rows.

The home of peft. Afterwards the product is added to W, so a model folder never knows that it was learnt so.
"""

import copy
from dataclasses import dataclass
from typing import Literal

from torch import nn

from rhinoise.core.errors import ConfigError

Method = Literal["full", "low-rank", "both"]


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """How a trained denoiser is changed when a training starts from a model."""

    method: Method = "both"
    """All weights, a low-rank product beside each, or one after the other, of which the better is kept."""
    rank: int = 16
    learning_rate: float = 2e-3
    """Of the low-rank factors; that of all weights is the recipe's `fit_denoiser.learning_rate`."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"adapt.rank is 1 or more, not {self.rank}")
        if self.learning_rate <= 0:
            raise ConfigError(f"adapt.learning_rate is above 0, not {self.learning_rate:g}")


def with_low_rank(network: nn.Module, rank: int) -> nn.Module:
    """A copy that answers the same, and in which low-rank factors alone are to be trained.

    Beside every linear layer and convolution: A starts at random, B at zero.
    """
    from peft import LoraConfig, inject_adapter_in_model

    copied = copy.deepcopy(network)
    layers = [
        name for name, layer in copied.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d) and name
    ]
    return inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers), copied)


def merged(network: nn.Module) -> nn.Module:
    """The network of `with_low_rank` as a plain one again, the products added to its weights, in place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in [*network.named_modules()]:
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            network.set_submodule(name, layer.get_base_layer())
    return network.requires_grad_(True)
