"""What every denoising network is, and which networks and autoencoders there are."""

from typing import Any, Protocol, runtime_checkable

from torch import nn

from rhinoise.core.shapes import Latents, TextEmbedding, Times
from rhinoise.nets.autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    CentredAutoencoder,
    IdentityAutoencoder,
    IdentityConfig,
)
from rhinoise.nets.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.nets.unet import UNet, UNetConfig
from rhinoise.nets.uvit import UViT, UViTConfig


@runtime_checkable
class Network(Protocol):
    """(x, time, text) => an answer of x's shape. Its meaning is a `Prediction`; a network knows no noise."""

    def __call__(self, x: Latents, time: Times, text: TextEmbedding) -> Latents:
        """The answer for noisy latents `x`, the clock at `time` (0 to about 1000), and captions `text`."""
        ...


NETWORKS: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "unet": (UNetConfig, UNet),
    "transformer": (TransformerConfig, Transformer),
    "uvit": (UViTConfig, UViT),
}
"""Every network by name: its config's class and its own."""

AUTOENCODERS: dict[str, tuple[type[Any], type[CentredAutoencoder]]] = {
    "kl": (AutoencoderConfig, Autoencoder),
    "patch": (PatchAutoencoderConfig, PatchAutoencoder),
    "identity": (IdentityConfig, IdentityAutoencoder),
}
"""Every autoencoder, likewise."""
