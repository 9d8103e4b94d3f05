"""The cross-attention U-Net of Stable Diffusion (Rombach et al. 2022, after Ronneberger et al. 2015).

Its weights and settings map one to one onto diffusers' UNet2DConditionModel (`storage.names`), so that
what is trained here draws the same picture there.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Latents, TextEmbedding, Times
from rhinoise.nets.layers import (
    Attention,
    Downsample,
    FeedForward,
    GroupNorm,
    ResidualBlock,
    TimeEmbedding,
    Upsample,
    time_features,
)


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The shape of a `UNet`. Tuples have one entry per level, the finest first.

    sample_size           height and width of the latents it is trained on; other sizes work too
    block_out_channels    channels of each level
    attention             which levels look at the text (and at themselves)
    heads                 attention heads of each level; the middle has the last level's
    transformer_layers    transformer blocks per attention of each level
    cross_attention_dim   width of the text tokens
    layers_per_block      residual blocks per level on the way down; one more on the way up
    """

    sample_size: int
    in_channels: int
    out_channels: int
    block_out_channels: tuple[int, ...]
    attention: tuple[bool, ...]
    heads: tuple[int, ...]
    transformer_layers: tuple[int, ...]
    cross_attention_dim: int
    layers_per_block: int = 2
    mid_attention: bool = True
    use_linear_projection: bool = False
    norm_num_groups: int = 32
    norm_eps: float = 1e-5
    flip_sin_to_cos: bool = True
    freq_shift: int = 0

    def __post_init__(self) -> None:
        levels = len(self.block_out_channels)
        for name in ("attention", "heads", "transformer_layers"):
            if len(getattr(self, name)) != levels:
                raise ConfigError(
                    f"{levels} levels want {levels} values of {name}, not {len(getattr(self, name))}"
                )
        if min(self.layers_per_block, *self.block_out_channels, *self.heads) < 1:
            raise ConfigError("channels, heads and layers_per_block of a U-Net are 1 or more")
        for channels, heads in zip(self.block_out_channels, self.heads, strict=True):
            if channels % self.norm_num_groups or channels % heads:
                raise ConfigError(
                    f"a level of {channels} channels divides neither into {self.norm_num_groups} groups"
                    f" and {heads} heads evenly: choose a common multiple"
                )


class TransformerBlock(nn.Module):
    """Tokens look at themselves, at the text, then think: three residual steps, normalised first."""

    def __init__(self, width: int, text_width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.self_attention = Attention(width, width, heads=heads, bias=False)
        self.norm2 = nn.LayerNorm(width)
        self.cross_attention = Attention(width, text_width, heads=heads, bias=False)
        self.norm3 = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Float[Tensor, "b l d"], text: Float[Tensor, "b m t"]) -> Float[Tensor, "b l d"]:
        """Tokens, and the text's tokens => tokens."""
        seen = self.norm1(x)
        x = x + self.self_attention(seen, seen)
        x = x + self.cross_attention(self.norm2(x), text)
        return x + self.feed_forward(self.norm3(x))


class SpatialTransformer(nn.Module):
    """A picture as tokens, through transformer blocks, and back."""

    def __init__(self, config: UNetConfig, level: int) -> None:
        super().__init__()
        width = config.block_out_channels[level]
        self.linear = config.use_linear_projection
        self.norm = GroupNorm(config.norm_num_groups, width, eps=1e-6)
        self.project_in = nn.Linear(width, width) if self.linear else nn.Conv2d(width, width, 1)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.cross_attention_dim, config.heads[level])
            for _ in range(config.transformer_layers[level])
        )
        self.project_out = nn.Linear(width, width) if self.linear else nn.Conv2d(width, width, 1)

    def forward(self, x: Float[Tensor, "b c h w"], text: Float[Tensor, "b l d"]) -> Float[Tensor, "b c h w"]:
        """Pictures, and the text's tokens => pictures."""
        height, h = x.shape[2], self.norm(x)
        if self.linear:
            tokens = self.project_in(rearrange(h, "b c h w -> b (h w) c"))
        else:
            tokens = rearrange(self.project_in(h), "b c h w -> b (h w) c")
        for block in self.blocks:
            tokens = block(tokens, text)
        if self.linear:
            return x + rearrange(self.project_out(tokens), "b (h w) c -> b c h w", h=height)
        return x + self.project_out(rearrange(tokens, "b (h w) c -> b c h w", h=height))


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where the level has it."""

    def __init__(self, config: UNetConfig, level: int, in_channels: list[int], *, attentions: int) -> None:
        super().__init__()
        self.residuals = nn.ModuleList(
            ResidualBlock(
                channels,
                config.block_out_channels[level],
                groups=config.norm_num_groups,
                eps=config.norm_eps,
                time_width=4 * config.block_out_channels[0],
            )
            for channels in in_channels
        )
        self.attentions = nn.ModuleList(SpatialTransformer(config, level) for _ in range(attentions))


class DownLevel(Level):
    """One level on the way down; every intermediate picture is kept for the way up."""

    def __init__(self, config: UNetConfig, level: int) -> None:
        channels, above = config.block_out_channels[level], config.block_out_channels[max(level - 1, 0)]
        layers = config.layers_per_block
        in_channels = [above] + [channels] * (layers - 1)
        super().__init__(config, level, in_channels, attentions=layers if config.attention[level] else 0)
        last = level == len(config.block_out_channels) - 1
        self.downsample = None if last else Downsample(channels, symmetric=True)

    def forward(self, x: Tensor, time: Tensor, text: Tensor) -> list[Tensor]:
        """The pictures after every block, and after the downsampling where there is one."""
        pictures = []
        for j, residual in enumerate(self.residuals):
            x = residual(x, time)
            if self.attentions:
                x = self.attentions[j](x, text)
            pictures.append(x)
        return pictures if self.downsample is None else [*pictures, self.downsample(x)]


class MidLevel(Level):
    """The coarsest pictures: residual, attention, residual; or a single residual without attention."""

    def __init__(self, config: UNetConfig) -> None:
        channels = config.block_out_channels[-1]
        blocks = 2 if config.mid_attention else 1
        super().__init__(config, -1, [channels] * blocks, attentions=blocks - 1)

    def forward(self, x: Tensor, time: Tensor, text: Tensor) -> Tensor:
        """Pictures, the activated time, the text's tokens => pictures."""
        x = self.residuals[0](x, time)
        for look, residual in zip(self.attentions, self.residuals[1:], strict=True):
            x = residual(look(x, text), time)
        return x


class UpLevel(Level):
    """One level on the way up; every block also sees a picture kept on the way down."""

    def __init__(self, config: UNetConfig, level: int, in_channels: int, skips: list[int]) -> None:
        channels, blocks = config.block_out_channels[level], len(skips)
        widths = [in_channels] + [channels] * (blocks - 1)
        both = [width + skip for width, skip in zip(widths, skips, strict=True)]
        super().__init__(config, level, both, attentions=blocks if config.attention[level] else 0)
        self.upsample = None if level == 0 else Upsample(channels)

    def forward(self, x: Tensor, time: Tensor, text: Tensor, skips: list[Tensor]) -> Tensor:
        """Takes its pictures off the end of `skips`."""
        for j, residual in enumerate(self.residuals):
            x = residual(torch.cat([x, skips.pop()], dim=1), time)
            if self.attentions:
                x = self.attentions[j](x, text)
        # To the size of the next skip: where a height was odd on the way down, twice is one too many.
        return x if self.upsample is None else self.upsample(x, (skips[-1].shape[2], skips[-1].shape[3]))


class UNet(nn.Module):
    """A U-Net that looks at text: (noisy latents, time, text) => prediction, all "b c h w".

    It reads `text.tokens` alone, padding included, for stock pipelines give neither mask nor pooled vector.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, layers = config.block_out_channels, config.layers_per_block
        levels = range(len(channels))
        self.conv_in = nn.Conv2d(config.in_channels, channels[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(channels[0], 4 * channels[0])
        self.down = nn.ModuleList(DownLevel(config, level) for level in levels)
        self.mid = MidLevel(config)
        # The channels of every kept picture, in the order of keeping: see `forward`.
        kept = [channels[0]]
        for level in levels:
            kept += [channels[level]] * (layers if level == levels[-1] else layers + 1)
        below = [channels[-1], *reversed(channels)]
        self.up = nn.ModuleList(
            UpLevel(config, level, in_channels, [kept.pop() for _ in range(layers + 1)])
            for level, in_channels in zip(reversed(levels), below, strict=False)
        )
        self.norm_out = GroupNorm(config.norm_num_groups, channels[0], config.norm_eps)
        self.conv_out = nn.Conv2d(channels[0], config.out_channels, 3, padding=1)

    def forward(self, x: Latents, time: Times, text: TextEmbedding) -> Float[Tensor, "b o h w"]:
        """The answer for noisy latents, the clock (0 to about 1000) and captions."""
        features = time_features(
            time,
            self.config.block_out_channels[0],
            flip_sin_to_cos=self.config.flip_sin_to_cos,
            downscale_freq_shift=self.config.freq_shift,
        )
        clock = F.silu(self.time_embedding(features))
        x = self.conv_in(x)
        skips = [x]
        for down in self.down:
            skips += down(skips[-1], clock, text.tokens)
        x = self.mid(skips[-1], clock, text.tokens)
        for up in self.up:
            x = up(x, clock, text.tokens, skips)
        return self.conv_out(F.silu(self.norm_out(x)))
