"""Autoencoders: images <=> centred latents.

Normalisation lives inside: outside these classes every latent channel has mean 0 and variance 1 over the
training set, once the statistics have been measured. Before that they are 0 and 1, and change nothing.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Images, Latents
from rhinoise.nets.layers import Downsample, GroupNorm, ResidualBlock, Upsample, attention

NORM_EPS = 1e-6
LOG_VARIANCE_RANGE = (-30.0, 20.0)
"""What the encoder's log-variance is held to, as in diffusers' AutoencoderKL."""


@dataclass(frozen=True)
class DiagonalGaussian:
    """What the encoder believes of a latent: independent normal distributions, one per number."""

    mean: Latents
    log_variance: Latents

    @property
    def std(self) -> Latents:
        """The standard deviations."""
        return torch.exp(0.5 * self.log_variance)

    @property
    def mode(self) -> Latents:
        """The likeliest latent, which is the mean."""
        return self.mean

    def sample(self, noise: Latents) -> Latents:
        """The latent that this unit Gaussian noise picks."""
        return self.mean + self.std * noise

    @property
    def kl(self) -> Float[Tensor, "b"]:
        """Nats of divergence from the unit Gaussian, per picture (Kingma & Welling 2014, appendix B)."""
        terms = self.mean**2 + self.log_variance.exp() - 1 - self.log_variance
        return 0.5 * terms.sum(dim=(1, 2, 3))


class CentredAutoencoder(nn.Module, ABC):
    """What every autoencoder shares: the statistics of its raw latents, which nobody outside meets."""

    latent_mean: Tensor
    latent_std: Tensor
    statistics_measured: Tensor

    def __init__(self, latent_channels: int) -> None:
        super().__init__()
        self.latent_channels = latent_channels
        self.register_buffer("latent_mean", torch.zeros(latent_channels))
        self.register_buffer("latent_std", torch.ones(latent_channels))
        self.register_buffer("statistics_measured", torch.tensor(False))

    @property
    @abstractmethod
    def factor(self) -> int:
        """Pixels per latent, along each side."""

    @abstractmethod
    def raw_moments(self, images: Images) -> tuple[Latents, Latents]:
        """Images => mean and log-variance of the latents, not centred."""

    @abstractmethod
    def raw_decode(self, latents: Latents) -> Images:
        """Latents that are not centred => images."""

    @property
    def measured(self) -> bool:
        """Whether the statistics have been measured."""
        return bool(self.statistics_measured)

    def set_statistics(self, mean: Float[Tensor, "c"], std: Float[Tensor, "c"]) -> None:
        """Centre latents by these from now on: each channel's mean and deviation as `encode` gives it now.

        So they compose with statistics set before. ConfigError when a channel has no deviation.
        """
        if not (std > 0).all():
            raise ConfigError(
                "the latents have a channel that never changes: it cannot be centred; train longer"
            )
        self.latent_mean += self.latent_std * mean.to(self.latent_mean)
        self.latent_std *= std.to(self.latent_std)
        self.statistics_measured.fill_(True)

    def encode(self, images: Images) -> DiagonalGaussian:
        """Images => what their centred latents may be. Height and width are multiples of `factor`."""
        mean, log_variance = self.raw_moments(images)
        return DiagonalGaussian(
            mean=(mean - _per_channel(self.latent_mean)) / _per_channel(self.latent_std),
            log_variance=log_variance - 2 * _per_channel(self.latent_std).log(),
        )

    def decode(self, latents: Latents) -> Images:
        """Centred latents => images, near [-1, 1]."""
        return self.raw_decode(latents * _per_channel(self.latent_std) + _per_channel(self.latent_mean))


def _per_channel(statistics: Tensor) -> Tensor:
    return rearrange(statistics, "c -> 1 c 1 1")


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """The shape of an `Autoencoder`: levels from the finest, each half the size of the one before.

    block_out_channels   channels of each level; the factor is 2^(levels - 1)
    layers_per_block     residual blocks per level of the encoder; the decoder has one more
    mid_attention        whether the coarsest pictures look at themselves
    sample_size          height and width of the images it is trained on; other sizes work too
    """

    sample_size: int
    latent_channels: int
    block_out_channels: tuple[int, ...]
    layers_per_block: int
    mid_attention: bool
    norm_num_groups: int = 32

    def __post_init__(self) -> None:
        for channels in self.block_out_channels:
            if channels % self.norm_num_groups:
                raise ConfigError(
                    f"a level of {channels} channels does not divide into {self.norm_num_groups} groups"
                )


class Autoencoder(CentredAutoencoder):
    """The KL autoencoder of latent diffusion (Rombach et al. 2022; Esser et al. 2021 without the codebook).

    Its weights and settings map one to one onto diffusers' AutoencoderKL (`storage.names`).
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config.latent_channels)
        self.config = config
        moments = 2 * config.latent_channels
        self.encoder = Encoder(config)
        self.quant_conv = nn.Conv2d(moments, moments, 1)
        self.post_quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(config)

    @property
    def factor(self) -> int:
        """Pixels per latent, along each side."""
        return 2 ** (len(self.config.block_out_channels) - 1)

    def raw_moments(self, images: Images) -> tuple[Latents, Latents]:
        """Images => mean and log-variance of the latents, not centred."""
        mean, log_variance = self.quant_conv(self.encoder(images)).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def raw_decode(self, latents: Latents) -> Images:
        """Latents that are not centred => images."""
        return self.decoder(self.post_quant_conv(latents))


class Encoder(nn.Module):
    """Images "b 3 H W" => twice the latents' channels, `factor` times smaller."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        channels, levels = config.block_out_channels, len(config.block_out_channels)
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.down = nn.ModuleList(
            EncoderLevel(
                channels[max(level - 1, 0)],
                channels[level],
                layers=config.layers_per_block,
                groups=config.norm_num_groups,
                downsample=level < levels - 1,
            )
            for level in range(levels)
        )
        self.mid = AutoencoderMid(config)
        self.norm_out = GroupNorm(config.norm_num_groups, channels[-1], NORM_EPS)
        self.conv_out = nn.Conv2d(channels[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Images => means and log-variances, before the quant convolution."""
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Latents "b c h w" => images, `factor` times larger."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        channels, levels = config.block_out_channels, len(config.block_out_channels)
        self.conv_in = nn.Conv2d(config.latent_channels, channels[-1], 3, padding=1)
        self.mid = AutoencoderMid(config)
        self.up = nn.ModuleList(
            DecoderLevel(
                channels[min(level + 1, levels - 1)],
                channels[level],
                layers=config.layers_per_block + 1,
                groups=config.norm_num_groups,
                upsample=level > 0,
            )
            for level in reversed(range(levels))
        )
        self.norm_out = GroupNorm(config.norm_num_groups, channels[0], NORM_EPS)
        self.conv_out = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        """Latents, after the post-quant convolution => images."""
        x = self.mid(self.conv_in(x))
        for level in self.up:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


def _residuals(in_channels: int, channels: int, layers: int, groups: int) -> nn.ModuleList:
    return nn.ModuleList(
        ResidualBlock(in_channels if layer == 0 else channels, channels, groups=groups, eps=NORM_EPS)
        for layer in range(layers)
    )


class EncoderLevel(nn.Module):
    """Residual blocks at one resolution, then half of it."""

    def __init__(
        self, in_channels: int, channels: int, *, layers: int, groups: int, downsample: bool
    ) -> None:
        super().__init__()
        self.residuals = _residuals(in_channels, channels, layers, groups)
        self.downsample = Downsample(channels, symmetric=False) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        """Pictures => pictures, half the size unless this is the last level."""
        for residual in self.residuals:
            x = residual(x)
        return x if self.downsample is None else self.downsample(x)


class DecoderLevel(nn.Module):
    """Residual blocks at one resolution, then twice of it."""

    def __init__(self, in_channels: int, channels: int, *, layers: int, groups: int, upsample: bool) -> None:
        super().__init__()
        self.residuals = _residuals(in_channels, channels, layers, groups)
        self.upsample = Upsample(channels) if upsample else None

    def forward(self, x: Tensor) -> Tensor:
        """Pictures => pictures, twice the size unless this is the last level."""
        for residual in self.residuals:
            x = residual(x)
        return x if self.upsample is None else self.upsample(x, (2 * x.shape[2], 2 * x.shape[3]))


class AutoencoderMid(nn.Module):
    """The coarsest pictures: residual, attention where there is one, residual."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        channels, groups = config.block_out_channels[-1], config.norm_num_groups
        self.residuals = _residuals(channels, channels, 2, groups)
        self.attentions = nn.ModuleList(SelfAttention(channels, groups) for _ in range(config.mid_attention))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures => pictures."""
        x = self.residuals[0](x)
        for look in self.attentions:
            x = look(x)
        return self.residuals[1](x)


class SelfAttention(nn.Module):
    """Every pixel looks at every pixel, with one head, around the identity."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels, NORM_EPS)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Pictures => pictures."""
        tokens = rearrange(self.norm(x), "b c h w -> b 1 (h w) c")
        seen = attention(self.query(tokens), self.key(tokens), self.value(tokens))
        return x + rearrange(self.out(seen), "b 1 (h w) c -> b c h w", h=x.shape[2])


@dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    """Nothing to choose: latents are pixels."""


class IdentityAutoencoder(CentredAutoencoder):
    """Latents are pixels, centred like all latents: the same code is then a pixel-space model."""

    def __init__(self, config: IdentityConfig) -> None:
        super().__init__(latent_channels=3)
        self.config = config

    @property
    def factor(self) -> int:
        """A pixel per latent."""
        return 1

    def raw_moments(self, images: Images) -> tuple[Latents, Latents]:
        """The images themselves, without any doubt."""
        return images, torch.full_like(images, -torch.inf)

    def raw_decode(self, latents: Latents) -> Images:
        """The latents themselves."""
        return latents


@torch.no_grad()
def folded(autoencoder: Autoencoder) -> dict[str, Tensor]:
    """The weights of an equal autoencoder whose raw latents are centred already, without statistics.

    Dividing by a deviation and shifting by a mean are 1x1 convolutions, so they merge with the two that
    stand beside the latents: with D = diag(1 / std), the quant convolution W z + b becomes D (W z + b - mean)
    for the mean and W z + b - 2 log std for the log-variance; the post-quant convolution takes std z + mean.
    """
    state = {
        name: tensor
        for name, tensor in autoencoder.state_dict().items()
        if name not in ("latent_mean", "latent_std", "statistics_measured")
    }
    mean, std = autoencoder.latent_mean, autoencoder.latent_std
    scale = torch.cat([1 / std, torch.ones_like(std)])
    shift = torch.cat([-mean / std, -2 * std.log()])
    weight, bias = state["quant_conv.weight"], state["quant_conv.bias"]
    state["quant_conv.weight"], state["quant_conv.bias"] = (
        weight * scale[:, None, None, None],
        bias * scale + shift,
    )
    weight, bias = state["post_quant_conv.weight"], state["post_quant_conv.bias"]
    state["post_quant_conv.weight"] = weight * std[None, :, None, None]
    state["post_quant_conv.bias"] = bias + weight[:, :, 0, 0] @ mean
    return state


def unfolded(state: dict[str, Tensor], *, scale: float = 1.0, shift: float = 0.0) -> dict[str, Tensor]:
    """Weights without statistics => the whole state of an `Autoencoder`, measured.

    The centred latent is (raw - shift) * scale, diffusers' `scaling_factor` and `shift_factor`; folded
    weights have 1 and 0.
    """
    channels = state["post_quant_conv.bias"]
    return state | {
        "latent_mean": torch.full_like(channels, shift),
        "latent_std": torch.full_like(channels, 1 / scale),
        "statistics_measured": torch.tensor(True),
    }
