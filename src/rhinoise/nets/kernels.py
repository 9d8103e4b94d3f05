"""Operators of token networks whose gradients are written by hand, for the CPU.

Beside the matrix products such a network is passes over memory. Autograd makes more of them than the
mathematics asks for: it multiplies whole tensors by 1 (`addcmul`), fills tensors with zeros to add slices of
gradients to them, and copies where a result could be written in place. Elsewhere than on a CPU the same
functions are the plain formulas, which a compiler can fuse.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from rhinoise.nets.layers import attention, attention_by_products, by_products, scores_bias

EPS = 1e-5


def modulated(
    x: Float[Tensor, "b ... d"], shift: Float[Tensor, "b ... d"], scale: Float[Tensor, "b ... d"]
) -> Float[Tensor, "b ... d"]:
    """Every token normalised, then scaled and shifted by its picture's clock: norm(x) (1 + scale) + shift."""
    if x.device.type == "cpu":
        return _Modulated.apply(x, shift, scale)
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPS), 1 + scale)


class _Modulated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        normed, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], None, None, EPS)
        scale = 1 + scale
        ctx.save_for_backward(x, normed, mean, rstd, scale)
        return torch.addcmul(shift, normed, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (dy,) = gradients
        x, normed, mean, rstd, scale = ctx.saved_tensors
        dx, _, _ = torch.ops.aten.native_layer_norm_backward(
            dy * scale, x, x.shape[-1:], mean, rstd, None, None, [True, False, False]
        )
        return dx, dy.sum_to_size(scale.shape), (dy * normed).sum_to_size(scale.shape)


def gated(
    x: Float[Tensor, "b l d"], gate: Float[Tensor, "b 1 d"], branch: Float[Tensor, "b l d"]
) -> Float[Tensor, "b l d"]:
    """x + gate * branch."""
    if x.device.type == "cpu":
        return _Gated.apply(x, gate, branch)
    return torch.addcmul(x, gate, branch)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, branch: Tensor) -> Tensor:
        ctx.save_for_backward(gate, branch)
        return torch.addcmul(x, gate, branch)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (dy,) = gradients
        gate, branch = ctx.saved_tensors
        return dy, (dy * branch).sum_to_size(gate.shape), dy * gate


def rotate(x: Float[Tensor, "*b l d"], table: Float[Tensor, "2 l d"]) -> Float[Tensor, "*b l d"]:
    """Turn every pair by its token's angle: after it, a product of two tokens knows only their distance."""
    cos, sin = table
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def turned_attention(
    packed: Float[Tensor, "b l w3"],
    weight: Float[Tensor, "d"],
    table: Float[Tensor, "2 l d"],
    mask: Bool[Tensor, "b l"] | None,
    heads: int,
) -> Float[Tensor, "b l w"]:
    """Attention among tokens, from their queries, keys and values side by side.

    Queries and keys are normalised, scaled by `weight` and turned by `table` (see `rotate`); `mask` tells
    which tokens count.
    """
    if by_products(packed, packed.shape[1] ** 2):
        bias = None if mask is None else scores_bias(mask, packed.dtype)
        return _TurnedAttention.apply(packed, weight, table, bias, heads)
    q, k, v = turned(packed, weight, table, heads)
    return rearrange(attention(q, k, v, mask), "b n l e -> b l (n e)")


def turned(
    packed: Float[Tensor, "b l w3"], weight: Float[Tensor, "d"], table: Float[Tensor, "2 l d"], heads: int
) -> tuple[Float[Tensor, "b n l d"], Float[Tensor, "b n l d"], Float[Tensor, "b n l d"]]:
    """Queries and keys, normalised, scaled and turned, and values, head by head."""
    qkv = _by_head(packed, heads)
    q, k = rotate(F.layer_norm(qkv[:2], weight.shape, weight, eps=EPS), table)
    return q, k, qkv[2]


def _by_head(packed: Tensor, heads: int) -> Tensor:
    return rearrange(packed, "b l (three n e) -> three b n l e", three=3, n=heads).contiguous()


class _TurnedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, packed: Tensor, weight: Tensor, table: Tensor, bias: Tensor | None, heads: int
    ) -> Tensor:
        qkv = _by_head(packed, heads)
        normed, mean, rstd = torch.native_layer_norm(qkv[:2], weight.shape, weight, None, EPS)
        turned = rotate(normed, table)
        q, k = turned.flatten(1, 2)
        seen, shares = attention_by_products(q, k, qkv[2].flatten(0, 1), bias)
        ctx.save_for_backward(qkv, weight, mean, rstd, table, turned, shares)
        return rearrange(seen, "(b n) l e -> b l (n e)", n=heads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        (dy,) = gradients
        qkv, weight, mean, rstd, table, turned, shares = ctx.saved_tensors
        _, batch, heads, length, width = qkv.shape
        (q, k), v = turned.flatten(1, 2), qkv[2].flatten(0, 1)
        dy = rearrange(dy, "b l (n e) -> (b n) l e", n=heads)
        dscores = torch._softmax_backward_data(dy @ v.mT, shares, -1, shares.dtype)
        # The turn is undone by turning back; the scores' scale is put in where the fewest numbers are.
        dturned = torch.stack([dscores @ k, dscores.mT @ q]).mul_(width**-0.5).view_as(turned)
        cos, sin = table
        dnormed = torch.addcmul(dturned * cos, dturned.roll(width // 2, -1), sin, value=-1)
        dqk, dweight, _ = torch.ops.aten.native_layer_norm_backward(
            dnormed, qkv[:2], weight.shape, mean, rstd, weight, None, [True, True, False]
        )
        dpacked = qkv.new_empty(batch, length, 3, heads, width)
        dpacked[:, :, :2] = rearrange(dqk, "two b n l e -> b l two n e")
        dpacked[:, :, 2] = rearrange(shares.mT @ dy, "(b n) l e -> b l n e", n=heads)
        return dpacked.flatten(2), dweight, None, None, None
