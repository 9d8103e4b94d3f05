"""The blocks that several networks share, and the one place that chooses kernels by backend.

Pictures are "b c h w" (any memory format), tokens "b l d". Everything runs in float32 and under
`torch.autocast(..., torch.bfloat16)`.
"""

import math
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from rhinoise.core.shapes import Times

L = TypeVar("L", bound=nn.Module)

CPU_PRODUCTS_LIMIT = 1024 * 1024
"""Up to this many scores per head, attention on a CPU in bfloat16 is plain matrix products: 3.4 ms against
21.9 ms with the fused kernel at 64 tokens (forward and backward); beyond it the scores' memory costs more."""


def attention(
    q: Float[Tensor, "b n l d"],
    k: Float[Tensor, "b n m d"],
    v: Float[Tensor, "b n m e"],
    mask: Bool[Tensor, "b m"] | None = None,
) -> Float[Tensor, "b n l e"]:
    """softmax(q k^T / sqrt(d)) v, for `n` heads (Vaswani et al. 2017, eq. 1).

    `mask` tells which keys count; where none does, all count alike.
    """
    bias = None if mask is None else scores_bias(mask, q.dtype)
    if by_products(q, q.shape[2] * k.shape[2]):
        seen, _ = attention_by_products(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), bias)
        return seen.unflatten(0, q.shape[:2])
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def attention_shares(
    q: Float[Tensor, "b n l d"], k: Float[Tensor, "b n m d"], mask: Bool[Tensor, "b m"] | None = None
) -> Float[Tensor, "b n l m"]:
    """softmax(q k^T / sqrt(d)) alone, in float32 whatever the type: what `attention` mixes the values by."""
    scores = q.float() @ k.float().mT * q.shape[-1] ** -0.5
    return (scores if mask is None else scores + scores_bias(mask, scores.dtype)).softmax(-1)


def by_products(x: Tensor, scores_per_head: int) -> bool:
    """Whether attention among such tokens is best done by plain matrix products."""
    return x.device.type == "cpu" and x.dtype == torch.bfloat16 and scores_per_head <= CPU_PRODUCTS_LIMIT


def attention_by_products(
    q: Float[Tensor, "h l d"],
    k: Float[Tensor, "h m d"],
    v: Float[Tensor, "h m e"],
    bias: Float[Tensor, "b 1 1 m"] | None,
) -> tuple[Float[Tensor, "h l e"], Float[Tensor, "h l m"]]:
    """What each query sees, and its shares of the keys; `h` runs over pictures, then heads."""
    each = q.new_zeros(1, 1, 1) if bias is None else bias[:, 0].repeat_interleave(len(q) // len(bias), 0)
    # One kernel scales, adds and multiplies; with beta = 0 it never reads the bias.
    scores = torch.baddbmm(each, q, k.mT, alpha=q.shape[-1] ** -0.5, beta=0 if bias is None else 1)
    shares = scores.softmax(-1)
    return shares @ v, shares


def scores_bias(mask: Bool[Tensor, "b m"], dtype: torch.dtype) -> Float[Tensor, "b 1 1 m"]:
    """What scores are given so that keys which do not count get no share."""
    # Not -inf, whose softmax over a row without any key is nan; halved, so that scores can be added.
    return torch.where(mask, 0.0, torch.finfo(dtype).min / 2).to(dtype)[:, None, None, :]


def group_norm(
    x: Float[Tensor, "b c h w"],
    groups: int,
    weight: Float[Tensor, "c"],
    bias: Float[Tensor, "c"],
    eps: float,
) -> Float[Tensor, "b c h w"]:
    """Group normalisation (Wu & He 2018), in the kernel that is fast for this backend.

    torch's own is slow on a CPU in bfloat16 when channels come last: 42.9 ms against 5.5 ms for
    `_ChannelsLastGroupNorm` on "16 64 64 64", forward and backward.
    """
    if x.device.type == "cpu" and x.dtype == torch.bfloat16 and not x.is_contiguous():
        return _ChannelsLastGroupNorm.apply(x, groups, weight, bias, eps)
    return F.group_norm(x, groups, weight.to(x.dtype), bias.to(x.dtype), eps)


class _ChannelsLastGroupNorm(torch.autograd.Function):
    """Group normalisation as sums over rows of pixels, then one multiply-add over the picture.

    With xh = (x - mean) * rstd and y = xh * weight + bias, the gradient is
    dx = rstd * (weight * dy - <weight * dy> - xh * <weight * dy * xh>), <> the mean over a group.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        rows = rearrange(x, "b c h w -> b (h w) c")
        size = rows.shape[1] * rows.shape[2] // groups
        weight, bias = (rearrange(p.float(), "(g k) -> g k", g=groups) for p in (weight, bias))
        mean = _group_sums(rows, groups).sum(-1, keepdim=True) / size
        square = _group_sums(rows * rows, groups).sum(-1, keepdim=True) / size
        rstd = (square - mean * mean).clamp(min=0).add(eps).rsqrt()
        scale = rstd * weight
        y = torch.addcmul(_row(bias - mean * scale, rows), rows, _row(scale, rows))
        ctx.save_for_backward(rows, weight, mean, rstd)
        return rearrange(y, "b (h w) c -> b c h w", h=x.shape[2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, Tensor, None]:
        (dy,) = gradients
        rows, weight, mean, rstd = ctx.saved_tensors
        groups, size = weight.shape[0], rows.shape[1] * rows.shape[2] // weight.shape[0]
        dy_rows = rearrange(dy, "b c h w -> b (h w) c").to(rows.dtype)
        dbias = _group_sums(dy_rows, groups)
        dweight = (_group_sums(dy_rows * rows, groups) - mean * dbias) * rstd
        a = (weight * dbias).sum(-1, keepdim=True) / size
        b = (weight * dweight).sum(-1, keepdim=True) / size * rstd
        dx = torch.addcmul(_row((mean * b - a) * rstd + 0 * weight, rows), dy_rows, _row(rstd * weight, rows))
        dx.addcmul_(rows, _row(-b * rstd + 0 * weight, rows))
        dx = rearrange(dx, "b (h w) c -> b c h w", h=dy.shape[2])
        return dx, None, dweight.sum(0).flatten(), dbias.sum(0).flatten(), None


def _group_sums(rows: Tensor, groups: int) -> Tensor:
    # "b l c" => "b g k", in float32.
    return rearrange(rows.sum(1, dtype=torch.float32), "b (g k) -> b g k", g=groups)


def _row(values: Tensor, like: Tensor) -> Tensor:
    # "b g k" => "b 1 c", in the rows' type.
    return rearrange(values, "b g k -> b 1 (g k)").to(like.dtype)


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` by way of `group_norm`."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Every group of channels of every picture, centred and scaled."""
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def time_features(
    time: Times, width: int, *, flip_sin_to_cos: bool = True, downscale_freq_shift: int = 0
) -> Float[Tensor, "b width"]:
    """Sines and cosines of the network's clock, at `width / 2` frequencies from 1 to 1/10000.

    The conventions are diffusers': cosines first when `flip_sin_to_cos`, and the last frequency reaches
    1/10000 exactly when `downscale_freq_shift` is 1. The clock is meant to run from 0 to about 1000.
    """
    half = width // 2
    exponent = torch.arange(half, dtype=torch.float32, device=time.device) / (half - downscale_freq_shift)
    angle = time.float()[:, None] * torch.exp(-math.log(10_000) * exponent)
    parts = (angle.cos(), angle.sin()) if flip_sin_to_cos else (angle.sin(), angle.cos())
    return torch.cat(parts, dim=-1)


def zeroed(layer: L) -> L:
    """The layer, giving zeros until it has learnt something: what it adds to is unchanged at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class TimeEmbedding(nn.Module):
    """Time features through two linear layers: what the network knows about the noise level."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b d"]:
        """`time_features` => the embedding."""
        return self.linear_2(F.silu(self.linear_1(features.to(self.linear_1.weight.dtype))))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around the identity (He et al. 2016); between them the time, when there is one."""

    def __init__(
        self, in_channels: int, out_channels: int, *, groups: int, eps: float, time_width: int | None = None
    ) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time = None if time_width is None else nn.Linear(time_width, out_channels)
        self.norm2 = GroupNorm(groups, out_channels, eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = None if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(
        self, x: Float[Tensor, "b c h w"], time: Float[Tensor, "b t"] | None = None
    ) -> Float[Tensor, "b o h w"]:
        """Pictures, and the activated embedding of the time => pictures."""
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time is not None:
            h = h + self.time(time)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.shortcut is None else self.shortcut(x))


class Downsample(nn.Module):
    """Half the height and width, by a strided convolution.

    `symmetric` pads every side (a U-Net's habit), otherwise only the right and the bottom (an autoencoder's).
    """

    def __init__(self, channels: int, *, symmetric: bool) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1 if symmetric else 0)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """Pictures => pictures, half the size."""
        return self.conv(x if self.symmetric else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Nearest neighbours to the given height and width, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c h2 w2"]:
        """Pictures => pictures, of the given size."""
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class Attention(nn.Module):
    """Multi-head attention of tokens to a context, with a linear map on every side."""

    def __init__(self, width: int, context_width: int, *, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(context_width, width, bias=bias)
        self.value = nn.Linear(context_width, width, bias=bias)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b l d"],
        context: Float[Tensor, "b m c"],
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b l d"]:
        """What each token sees; `mask` tells which tokens of the context count."""
        q, k, v = map(self._by_head, (self.query(x), self.key(context), self.value(context)))
        return self.out(rearrange(attention(q, k, v, mask), "b n l d -> b l (n d)"))

    @property
    def lookers(self) -> tuple[nn.Module, ...]:
        """The layers whose answers `shares` is made of."""
        return self.query, self.key

    def shares(
        self, query: Float[Tensor, "b l d"], key: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None
    ) -> Float[Tensor, "b n l m"]:
        """How each token divides its attention over the context, head by head, in float32."""
        return attention_shares(self._by_head(query), self._by_head(key), mask)

    def _by_head(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b n l e"]:
        return rearrange(x, "b l (n e) -> b n l e", n=self.heads)


class FeedForward(nn.Module):
    """GEGLU: a gated hidden layer four times as wide (Shazeer 2020)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 8 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        """Tokens => tokens."""
        value, gate = self.expand(x).chunk(2, dim=-1)
        return self.contract(value * F.gelu(gate))
