"""Randomness is an argument: noise as a function of (seed, image index, step).

A picture's noise never depends on the batch it is drawn in, nor on the device, nor on what was drawn
before; so a resumed run equals an uninterrupted one, and one seed means one picture.
"""

import hashlib
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

INITIAL = -1
"""The step that stands for "before the first step": the noise that a sampler starts from."""

NoiseSource = Callable[[int], Float[Tensor, "b c h w"]]
"""The noise of one step, for a whole batch: step => unit Gaussian noise."""


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator whose stream is a function of `key` alone (SHA-256 of its text)."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def noise(seed: int, image: int, step: int, shape: Sequence[int]) -> Tensor:
    """Unit Gaussian noise for one picture at one step, float32 on the CPU."""
    return torch.randn(tuple(shape), generator=generator("noise", seed, image, step))


def noise_source(
    seed: int, images: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu"
) -> NoiseSource:
    """The noise of every step for these image indices: step => Gaussian noise "b c h w"."""

    def source(step: int) -> Tensor:
        return torch.stack([noise(seed, image, step, shape) for image in images]).to(device)

    return source
