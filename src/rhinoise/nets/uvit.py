"""Convolutions where the latent is fine, a transformer where it is coarse (Hoogeboom et al. 2023, sec. 3.3).

A convolution knows from its first step that neighbours belong together, which a transformer of patches has to
learn; a transformer sees the whole picture and the text. On a small budget the two together draw soonest:
see docs/log.md for the comparison.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Latents, TextEmbedding, Times
from rhinoise.nets.kernels import modulated
from rhinoise.nets.layers import TimeEmbedding, time_features, zeroed
from rhinoise.nets.transformer import (
    TIME_FEATURES,
    Block,
    TransformerConfig,
    check_blocks,
    rotary_table,
)


@dataclass(frozen=True, kw_only=True)
class UViTConfig:
    """The shape of a `UViT`.

    sample_size    height and width of the latents it is trained on; other even sizes work too
    patch_size     latents that are folded into one, along each side, on the way in; 1: none
    fine_width     channels of the convolutional blocks, at the resolution of the folded latents
    fine_blocks    convolutional blocks before the transformer, and as many after it
    width          of a token, which stands for 2 x 2 folded latents; a multiple of 4 heads
    depth          transformer blocks, where picture and text tokens look at each other
    text_width     of the text encoder's tokens
    pooled_width   of its pooled vector; 0: the clock alone modulates
    """

    sample_size: int
    channels: int
    fine_width: int
    fine_blocks: int
    width: int
    depth: int
    heads: int
    text_width: int
    pooled_width: int = 0
    mlp_ratio: int = 4
    patch_size: int = 1

    def __post_init__(self) -> None:
        check_blocks(self.width, self.depth, self.heads)
        if self.patch_size < 1:
            raise ConfigError(f"patch_size is a number of latents, 1 or more, not {self.patch_size}")
        if self.sample_size % (2 * self.patch_size):
            raise ConfigError(
                f"latents of {self.sample_size} cannot be folded by {self.patch_size} and halved: take a "
                f"multiple of {2 * self.patch_size}"
            )

    @property
    def blocks(self) -> TransformerConfig:
        """The transformer's blocks."""
        return TransformerConfig(
            sample_size=self.sample_size,
            channels=self.channels,
            patch_size=2,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            text="in_context",
            text_width=self.text_width,
            pooled_width=self.pooled_width,
            mlp_ratio=self.mlp_ratio,
        )


class FineBlock(nn.Module):
    """x + conv(silu(conv(norm(x)))), the norm scaled and shifted by the clock; zero at the start.

    Pictures are "b h w c" here: norms over channels and convolutions channels-last move nothing in memory.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = zeroed(nn.Conv2d(width, width, 3, padding=1))

    def forward(
        self, x: Float[Tensor, "b h w c"], modulation: Float[Tensor, "b 2 c"]
    ) -> Float[Tensor, "b h w c"]:
        """Same shape out as in."""
        shift, scale = modulation[:, :, None, None].unbind(1)
        h = rearrange(modulated(x, shift, scale), "b h w c -> b c h w")
        return x + rearrange(self.conv_out(F.silu(self.conv_in(h))), "b c h w -> b h w c")


class UViT(nn.Module):
    """Convolutions, transformer, convolutions: (noisy latents, time, text) => prediction, all "b c h w".

    Text tokens that the mask leaves out change nothing. It answers zero until it has learnt something.
    """

    def __init__(self, config: UViTConfig) -> None:
        super().__init__()
        self.config = config
        fine, width = config.fine_width, config.width
        channels = config.channels * config.patch_size**2
        self.latent_in = nn.Conv2d(channels, fine, 3, padding=1)
        self.text_norm = nn.LayerNorm(config.text_width)
        self.text_in = nn.Linear(config.text_width, width)
        self.time_embedding = TimeEmbedding(TIME_FEATURES, width)
        self.pooled_in = nn.Linear(config.pooled_width, width) if config.pooled_width else None
        self.modulation = zeroed(nn.Linear(width, 6 * config.depth * width))
        self.fine_modulation = zeroed(nn.Linear(width, (4 * config.fine_blocks + 2) * fine))
        self.before = nn.ModuleList(FineBlock(fine) for _ in range(config.fine_blocks))
        self.down = nn.Linear(4 * fine, width)
        self.blocks = nn.ModuleList(Block(config.blocks) for _ in range(config.depth))
        self.up = nn.Linear(width, 4 * fine)
        self.after = nn.ModuleList(FineBlock(fine) for _ in range(config.fine_blocks))
        self.latent_out = zeroed(nn.Conv2d(fine, channels, 3, padding=1))

    def forward(self, x: Latents, time: Times, text: TextEmbedding) -> Latents:
        """The answer for noisy latents `x`, the clock at `time` (0 to about 1000), and captions `text`."""
        x = F.pixel_unshuffle(x, self.config.patch_size)
        size, depth = (x.shape[2] // 2, x.shape[3] // 2), self.config.depth
        clock = self.time_embedding(time_features(time, TIME_FEATURES))
        if self.pooled_in is not None:
            clock = clock + self.pooled_in(text.pooled)
        clock = F.silu(clock)
        coarse = rearrange(self.modulation(clock), "b (n m d) -> n b m d", n=depth, m=6)
        *fine, last = rearrange(
            self.fine_modulation(clock), "b (n m d) -> n b m d", m=2, d=self.config.fine_width
        )

        x = rearrange(self.latent_in(x), "b c h w -> b h w c")
        for block, parameters in zip(self.before, fine, strict=False):
            x = block(x, parameters)
        tokens = self._transformed(x, size, coarse, text)
        x = x + rearrange(self.up(tokens), "b (h w) (p q c) -> b (h p) (w q) c", p=2, q=2, h=size[0])
        for block, parameters in zip(self.after, fine[len(self.before) :], strict=True):
            x = block(x, parameters)
        shift, scale = last[:, :, None, None].unbind(1)
        answer = self.latent_out(rearrange(modulated(x, shift, scale), "b h w c -> b c h w"))
        return F.pixel_shuffle(answer, self.config.patch_size)

    def _transformed(
        self,
        x: Float[Tensor, "b H W c"],
        size: tuple[int, int],
        modulation: Float[Tensor, "n b 6 d"],
        text: TextEmbedding,
    ) -> Float[Tensor, "b l d"]:
        """Tokens of 2 x 2 pixels, beside the text's."""
        tokens = self.down(rearrange(x, "b (h p) (w q) c -> b (h w) (p q c)", p=2, q=2))
        words = self.text_in(self.text_norm(text.tokens)) * text.mask[:, :, None]
        pictures, width = tokens.shape[1], self.config.width
        mask = F.pad(text.mask, (pictures, 0), value=True)
        table = rotary_table(*size, words.shape[1], width // self.config.heads, x.device, tokens.dtype)
        tokens = torch.cat([tokens, words], dim=1)
        for block, parameters in zip(self.blocks, modulation, strict=True):
            tokens = block(tokens, parameters, table, words, mask)
        return tokens[:, :pictures]
