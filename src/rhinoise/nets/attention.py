"""What a network looks at while it answers: its attention to the words, recorded from outside.

Hooks take the queries and keys that each block makes, and work out its shares once more, in float32. The
answer stays the same to the bit, and a network that nobody records does nothing that it did not do before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.nets.layers import Attention
from rhinoise.nets.network import Network
from rhinoise.nets.transformer import Block, SelfAttention
from rhinoise.nets.unet import TransformerBlock


@dataclass(frozen=True)
class Look:
    """How one block's picture tokens divided their attention in one pass: the mean of its heads.

    At every place the shares of the text's tokens and the picture's own sum to 1.
    """

    block: str
    text: Float[Tensor, "b l h w"]
    picture: Float[Tensor, "b h w"]
    """What all the picture's tokens got; 0 where a block looks at the text alone."""


@contextmanager
def recorded(network: Network, count: int | None = None) -> Iterator[list[Look]]:
    """Within, every pass of the network adds a Look per block, in the order of the blocks.

    Empty the list after each pass, or it grows. The shares are float32, on the network's device.

    Args:
        network: the one that will answer.
        count: record only the first so many of a batch, and spare the work of the others: guidance puts
            the captions first.

    Raises:
        ConfigError: the network has no attention to words.
    """
    refuse_blind(network)
    blocks = attending(network)
    looks: list[Look] = []
    given: list[tuple[tuple[int, int], int]] = []

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        x, _, text = inputs
        assert isinstance(text, TextEmbedding)
        given[:] = [((x.shape[2], x.shape[3]), text.tokens.shape[1])]

    def look(
        name: str, module: Attention | SelfAttention, inputs: tuple[Any, ...], made: list[Tensor]
    ) -> None:
        (size, words), *_ = given
        _, context, mask = (*inputs, None)[:3]
        shares_of: Callable[..., Tensor] = module.shares
        within = isinstance(module, SelfAttention)
        turns = (context,) if within else ()  # in context it is the table that turns the tokens
        with torch.no_grad():
            first = [answer[:count] for answer in made]
            shares = shares_of(*first, *turns, None if mask is None else mask[:count]).mean(1)  # the heads'
        made.clear()
        # In context the text's tokens come last, and look at things themselves.
        pictures = shares.shape[1] - words if within else shares.shape[1]
        height, width = grid(size, pictures)
        at = rearrange(shares[:, :pictures], "b (h w) m -> b m h w", h=height, w=width)
        looks.append(Look(name, at[:, -words:], at[:, :-words].sum(1)))

    assert isinstance(network, nn.Module)
    hooks = [network.register_forward_pre_hook(enter)]
    for name, module in blocks.items():
        made: list[Tensor] = []
        hooks += [
            layer.register_forward_hook(lambda _, __, answer, made=made: made.append(answer))
            for layer in module.lookers
        ]
        hooks.append(
            module.register_forward_hook(
                lambda module, inputs, _, name=name, made=made: look(name, module, inputs, made)
            )
        )
    try:
        yield looks
    finally:
        for hook in hooks:
            hook.remove()


def refuse_blind(network: Network) -> None:
    """ConfigError unless some part of the network looks at words."""
    if not attending(network):
        raise ConfigError(
            "this network has no attention to words: wanted a U-Net with cross-attention, a transformer or a "
            f"U-ViT, not this {type(network).__name__}"
        )


def attending(network: Network) -> dict[str, Attention | SelfAttention]:
    """The parts of a network in which picture tokens look at the text's, by name; none of other networks."""
    found: dict[str, Attention | SelfAttention] = {}
    for name, module in network.named_modules() if isinstance(network, nn.Module) else ():
        if isinstance(module, TransformerBlock):
            found[name] = module.cross_attention
        elif isinstance(module, Block):
            found[name] = module.cross_attention or module.self_attention
    return found


def grid(size: tuple[int, int], tokens: int) -> tuple[int, int]:
    """Rows and columns of so many tokens, each of which stands for a square of a latent of that size.

    Halves are rounded up, as a strided convolution does; so the squares' side settles both.
    """
    height, width = size
    sides = ((-(-height // side), -(-width // side)) for side in range(1, max(size) + 1))
    return next(both for both in sides if both[0] * both[1] == tokens)
