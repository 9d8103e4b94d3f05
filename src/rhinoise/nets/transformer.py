"""A diffusion transformer: patches of the latent as tokens (Peebles & Xie 2023), told the text beside them.

Made to train on two CPU cores in bfloat16: few, large matrix products, and few passes over the tokens
between them. What is not a linear layer is memory traffic, and that is what hurts there.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Latents, TextEmbedding, Times
from rhinoise.nets.kernels import gated, modulated, turned, turned_attention
from rhinoise.nets.layers import Attention, TimeEmbedding, attention_shares, time_features, zeroed

TIME_FEATURES = 256
ROTARY_BASE = 100.0
"""The longest wave is 2 pi 100 tokens: latents are tens of tokens wide, not the thousands of a text."""


def check_blocks(width: int, depth: int, heads: int) -> None:
    """ConfigError unless blocks of these sizes can be made: every head turns pairs by row and by column."""
    if min(width, depth, heads) < 1:
        raise ConfigError(
            f"width, depth and heads of a transformer are 1 or more, not {width}, {depth} and {heads}"
        )
    if width % (4 * heads):
        raise ConfigError(f"width {width} is no multiple of 4 times {heads} heads")


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """The shape of a `Transformer`.

    sample_size   height and width of the latents it is trained on; other multiples of the patch work too
    patch_size    latents per token, along each side
    width         of a token; a multiple of 4 heads, because every head turns pairs by row and by column
    text          "in_context": picture and text tokens look at each other
                  "cross_attention": the picture's look at themselves, then at the text's
    text_width    of the text encoder's tokens
    pooled_width  of its pooled vector; 0: the clock alone modulates
    """

    sample_size: int
    channels: int
    patch_size: int
    width: int
    depth: int
    heads: int
    text: Literal["in_context", "cross_attention"]
    text_width: int
    pooled_width: int = 0
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        check_blocks(self.width, self.depth, self.heads)
        if self.sample_size % self.patch_size:
            raise ConfigError(
                f"latents of {self.sample_size} do not divide into patches of {self.patch_size}"
            )


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # a table made while sampling must serve training later
def rotary_table(
    height: int, width: int, others: int, head_width: int, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "2 l d"]:
    """What turns a head's pairs by a token's row and column (Su et al. 2021, in two dimensions).

    Cosines, then sines. The pair of `i` is `i + d/2`; the first half of the pairs turns with the row, the
    second with the column. The sines carry the sign that `kernels.rotate` needs. After the
    `height * width` tokens of the picture come `others`, which stay unturned.
    """
    quarter = head_width // 4
    frequency = ROTARY_BASE ** -(torch.arange(quarter) / quarter)
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    angle = torch.cat([row.reshape(-1, 1) * frequency, column.reshape(-1, 1) * frequency], dim=1)
    angle = F.pad(angle, (0, 0, 0, others))
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.cat([cos, cos], 1), torch.cat([-sin, sin], 1)]).to(device, dtype)


class SelfAttention(nn.Module):
    """Attention among all tokens, with queries and keys normalised (Dehghani et al. 2023) and turned.

    They share one LayerNorm, over a copy that attention needs anyway: on a CPU its kernel is fast,
    RMSNorm's is not.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.norm = nn.LayerNorm(width // heads, bias=False)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b l d"], table: Float[Tensor, "2 l e"], mask: Bool[Tensor, "b l"] | None
    ) -> Float[Tensor, "b l d"]:
        """What each token sees; `mask` tells which count."""
        return self.out(turned_attention(self.query_key_value(x), self.norm.weight, table, mask, self.heads))

    @property
    def lookers(self) -> tuple[nn.Module, ...]:
        """The layers whose answers `shares` is made of."""
        return (self.query_key_value,)

    def shares(
        self, packed: Float[Tensor, "b l w3"], table: Float[Tensor, "2 l e"], mask: Bool[Tensor, "b l"] | None
    ) -> Float[Tensor, "b n l l"]:
        """How each token divides its attention over all of them, head by head, in float32."""
        q, k, _ = turned(packed, self.norm.weight, table, self.heads)
        return attention_shares(q, k, mask)


class Block(nn.Module):
    """Attention, then a hidden layer, told the clock; the identity at first (adaLN-zero)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.self_attention = SelfAttention(width, config.heads)
        self.cross_attention = (
            Attention(width, width, heads=config.heads, bias=True)
            if config.text == "cross_attention"
            else None
        )
        self.expand = nn.Linear(width, config.mlp_ratio * width)
        self.contract = nn.Linear(config.mlp_ratio * width, width)

    def forward(
        self,
        x: Float[Tensor, "b l d"],
        modulation: Float[Tensor, "b m d"],
        table: Float[Tensor, "2 l e"],
        text: Float[Tensor, "b k d"],
        mask: Bool[Tensor, "b n"],
    ) -> Float[Tensor, "b l d"]:
        """Tokens => tokens. `mask`: which of all tokens count in context, otherwise which of the text's."""
        shift, scale, gate, shift_2, scale_2, gate_2, *cross_gate = modulation.unsqueeze(2).unbind(1)
        keys = mask if self.cross_attention is None else None
        x = gated(x, gate, self.self_attention(modulated(x, shift, scale), table, keys))
        if self.cross_attention is not None:
            seen = self.cross_attention(F.layer_norm(x, x.shape[-1:]), text, mask)
            x = gated(x, cross_gate[0], seen)
        h = self.contract(F.gelu(self.expand(modulated(x, shift_2, scale_2))))
        return gated(x, gate_2, h)


class Transformer(nn.Module):
    """A diffusion transformer: (noisy latents, time, text) => prediction, all "b c h w".

    Text tokens that the mask leaves out change nothing. It answers zero until it has learnt something.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        patch = config.channels * config.patch_size**2
        self.patch_in = nn.Linear(patch, config.width)
        self.text_norm = nn.LayerNorm(config.text_width)
        self.text_in = nn.Linear(config.text_width, config.width)
        self.time_embedding = TimeEmbedding(TIME_FEATURES, config.width)
        self.pooled_in = nn.Linear(config.pooled_width, config.width) if config.pooled_width else None
        # Every block's modulation, and the last two for the way out: one product for all of them.
        self.per_block = 6 if config.text == "in_context" else 7
        self.modulation = zeroed(nn.Linear(config.width, (config.depth * self.per_block + 2) * config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.patch_out = zeroed(nn.Linear(config.width, patch))

    def forward(self, x: Latents, time: Times, text: TextEmbedding) -> Latents:
        """The answer for noisy latents, the clock (0 to about 1000) and captions."""
        patch, size = self.config.patch_size, x.shape[-2:]
        tokens = self.patch_in(rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=patch, q=patch))
        pictures, mask = tokens.shape[1], text.mask
        # Padding becomes zero, so that it says nothing even to a picture whose whole text is padding.
        words = self.text_in(self.text_norm(text.tokens)) * mask[:, :, None]
        clock = self.time_embedding(time_features(time, TIME_FEATURES))
        if self.pooled_in is not None:
            clock = clock + self.pooled_in(text.pooled)
        modulation = rearrange(self.modulation(F.silu(clock)), "b (m d) -> b m d", d=self.config.width)
        *blocks, last = modulation.split(self.per_block, dim=1)
        others = 0
        if self.config.text == "in_context":
            tokens, others = torch.cat([tokens, words], dim=1), words.shape[1]
            mask = F.pad(mask, (pictures, 0), value=True)
        table = rotary_table(
            size[0] // patch,
            size[1] // patch,
            others,
            self.config.width // self.config.heads,
            x.device,
            tokens.dtype,
        )
        for block, parameters in zip(self.blocks, blocks, strict=True):
            tokens = block(tokens, parameters, table, words, mask)
        shift, scale = last.unsqueeze(2).unbind(1)
        tokens = self.patch_out(modulated(tokens[:, :pictures], shift, scale))
        return rearrange(tokens, "b (h w) (c p q) -> b c (h p) (w q)", p=patch, q=patch, h=size[0] // patch)
