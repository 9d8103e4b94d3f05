"""The shapes that travel between layers, by name.

One letter per axis in the whole project: `b` batch, `c` latent channels, `h` and `w` latent rows and
columns, `H` and `W` pixels, `l` text tokens, `d` their width, `p` the pooled vector's width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Images = Float[Tensor, "b 3 H W"]
"""Pictures in RGB, values in [-1, 1]."""

Latents = Float[Tensor, "b c h w"]
"""Centred latents: every channel has mean 0 and variance 1 over the training set."""

Times = Float[Tensor, "b"]
"""One number per picture: a time t in [0, 1], or what a network's clock reads."""


@dataclass(frozen=True)
class TextEmbedding:
    """What a caption becomes: a vector per token, which of them count, and one vector for the whole."""

    tokens: Float[Tensor, "b l d"]
    mask: Bool[Tensor, "b l"]
    pooled: Float[Tensor, "b p"]

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> "TextEmbedding":
        return TextEmbedding(tokens=self.tokens[index], mask=self.mask[index], pooled=self.pooled[index])

    def split(self) -> "list[TextEmbedding]":
        """One embedding of batch 1 per caption."""
        return [self[index : index + 1] for index in range(len(self))]

    def repeat(self, count: int) -> "TextEmbedding":
        """A batch of 1 as a batch of `count`, sharing memory."""
        return TextEmbedding(
            tokens=self.tokens.expand(count, -1, -1),
            mask=self.mask.expand(count, -1),
            pooled=self.pooled.expand(count, -1),
        )

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "TextEmbedding":
        """The same embedding on another device, and in another float type when one is given."""
        return TextEmbedding(
            tokens=self.tokens.to(device, dtype),
            mask=self.mask.to(device),
            pooled=self.pooled.to(device, dtype),
        )

    @staticmethod
    def cat(parts: "Sequence[TextEmbedding]") -> "TextEmbedding":
        """Several batches as one; all have the same number of tokens."""
        return TextEmbedding(
            tokens=torch.cat([part.tokens for part in parts]),
            mask=torch.cat([part.mask for part in parts]),
            pooled=torch.cat([part.pooled for part in parts]),
        )
