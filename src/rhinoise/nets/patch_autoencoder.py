"""An autoencoder that is a linear map plus what the linear map misses.

The linear part is the best one there is, the principal components of the training pictures' patches (Pearson
1901): it needs no training, and the convolutional branches beside it start at zero. So training starts from a
picture that is already recognisable, and all convolutions run at the latents' resolution, where matrix
products are dense and fast.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Images, Latents
from rhinoise.nets.autoencoder import LOG_VARIANCE_RANGE, CentredAutoencoder
from rhinoise.nets.layers import zeroed

INITIAL_LOG_VARIANCE = -6.0
"""exp(-6 / 2) = 0.05 of a latent's deviation: the blur that the decoder must live with from the start."""
MAX_PATCHES = 100_000
"""Patches that the principal components are measured on; more change nothing."""


@dataclass(frozen=True, kw_only=True)
class PatchAutoencoderConfig:
    """The shape of a `PatchAutoencoder`.

    factor            pixels per latent along each side; the patches are factor x factor
    latent_channels   principal components kept, at most 3 * factor^2
    width             channels of the convolutional branches
    blocks            residual blocks in the encoder's branch, and as many in the decoder's
    """

    factor: int
    latent_channels: int
    width: int
    blocks: int

    def __post_init__(self) -> None:
        if self.latent_channels > 3 * self.factor**2:
            raise ConfigError(
                f"patches of {self.factor} x {self.factor} pixels hold {3 * self.factor**2} numbers, so at "
                f"most as many latent channels, not {self.latent_channels}"
            )


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel; with channels last in memory it moves nothing."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape out as in."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """x + conv(silu(conv(norm(x)))), zero at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = zeroed(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape out as in."""
        return x + self.conv_out(F.silu(self.conv_in(self.norm(x))))


class PatchAutoencoder(CentredAutoencoder):
    """Images <=> centred latents, by principal components and convolutional corrections to them."""

    def __init__(self, config: PatchAutoencoderConfig) -> None:
        super().__init__(config.latent_channels)
        self.config = config
        c, width, pixels = config.latent_channels, config.width, 3 * config.factor**2
        self.linear_encode = nn.Conv2d(pixels, c, 1)
        self.linear_decode = nn.Conv2d(c, pixels, 1)
        self.encode_in = nn.Conv2d(pixels, width, 1)
        self.encode_blocks = nn.Sequential(*(Residual(width) for _ in range(config.blocks)))
        self.encode_out = zeroed(nn.Conv2d(width, 2 * c, 1))
        self.decode_in = nn.Conv2d(c, width, 3, padding=1)
        self.decode_blocks = nn.Sequential(*(Residual(width) for _ in range(config.blocks)))
        self.decode_out = zeroed(nn.Conv2d(width, pixels, 3, padding=1))
        with torch.no_grad():
            self.encode_out.get_parameter("bias")[c:] = INITIAL_LOG_VARIANCE

    @property
    def factor(self) -> int:
        """Pixels per latent, along each side."""
        return self.config.factor

    @torch.no_grad()
    def start_from(self, images: Images) -> None:
        """Set the linear part to the principal components of these pictures' patches, of unit variance."""
        f, c = self.config.factor, self.config.latent_channels
        patches = rearrange(F.pixel_unshuffle(images, f), "b k h w -> (b h w) k").double()
        patches = patches[:: max(1, len(patches) // MAX_PATCHES)]
        mean = patches.mean(0)
        variances, components = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        deviations = variances[-c:].flip(0).clamp(min=1e-8).sqrt()
        components = components[:, -c:].flip(1).T
        encode, decode = components / deviations[:, None], components.T * deviations
        for conv, weight, bias in (
            (self.linear_encode, encode, -encode @ mean),
            (self.linear_decode, decode, mean),
        ):
            conv.load_state_dict({"weight": weight[:, :, None, None], "bias": bias})

    def raw_moments(self, images: Images) -> tuple[Latents, Latents]:
        """Images => mean and log-variance of the latents, not centred."""
        patches = F.pixel_unshuffle(images, self.config.factor)
        correction, log_variance = self.encode_out(self.encode_blocks(self.encode_in(patches))).chunk(
            2, dim=1
        )
        return self.linear_encode(patches) + correction, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def raw_decode(self, latents: Latents) -> Images:
        """Latents that are not centred => images."""
        correction = self.decode_out(self.decode_blocks(self.decode_in(latents)))
        return F.pixel_shuffle(self.linear_decode(latents) + correction, self.config.factor)
