"""Which pictures a step sees, and with what noise: a function of (seed, step), never of what came before.

So a resumed run sees exactly what an uninterrupted one would have seen.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from rhinoise.core.images import from_uint8
from rhinoise.core.random import generator
from rhinoise.core.shapes import Images, Latents, TextEmbedding


@runtime_checkable
class Batches(Protocol):
    """What `fit` draws from."""

    @property
    def size(self) -> int:
        """Pictures per step."""
        ...

    def at(self, step: int) -> Any:
        """The batch of one step, the same at every call."""
        ...


def mapped(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A batch, a dataclass of tensors, with each of them changed; what is no tensor stays as it is."""
    if isinstance(batch, Tensor):
        return change(batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        values = {field.name: mapped(getattr(batch, field.name), change) for field in fields(batch)}
        return replace(batch, **values)
    return batch


def in_parts(batch: Any, pictures: int, part: int) -> list[tuple[Any, float]]:
    """A batch of so many pictures as parts of at most `part`, in order, each with its share of the batch."""
    if part >= pictures:
        return [(batch, 1.0)]
    slices = [slice(start, min(start + part, pictures)) for start in range(0, pictures, part)]
    return [
        (mapped(batch, operator.itemgetter(rows)), (rows.stop - rows.start) / pictures) for rows in slices
    ]


def order(seed: int, count: int, size: int, step: int) -> Int[np.ndarray, "b"]:
    """The pictures of one step: every epoch is its own shuffle, and a batch may span several."""
    places = (divmod(position, count) for position in range(step * size, (step + 1) * size))
    return np.array([_shuffle(seed, count, epoch)[place] for epoch, place in places])


@lru_cache(maxsize=4)
def _shuffle(seed: int, count: int, epoch: int) -> Int[np.ndarray, "n"]:
    return torch.randperm(count, generator=generator("order", seed, epoch)).numpy()


def to_images(pixels: UInt8[np.ndarray, "b 3 H W"]) -> Images:
    """Prepared pictures => floats in [-1, 1], channels last in memory (what convolutions on a CPU want)."""
    return from_uint8(torch.from_numpy(np.array(pixels))).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, kw_only=True)
class Captions:
    """All captions of a data set as rows, and where each picture's own rows are."""

    rows: tuple[str, ...]
    first: Int[np.ndarray, "m"]
    count: Int[np.ndarray, "m"]

    @classmethod
    def of(cls, captions: Sequence[Sequence[str]]) -> "Captions":
        """From each picture's captions."""
        count = np.array([len(own) for own in captions])
        rows = tuple(caption for own in captions for caption in own)
        return cls(rows=rows, first=np.cumsum(count) - count, count=count)

    def pick(self, pictures: Int[np.ndarray, "b"], seed: int, step: int) -> Int[np.ndarray, "b"]:
        """One caption row per picture, by chance where it has several."""
        chance = torch.rand(len(pictures), generator=generator("caption", seed, step)).numpy()
        return self.first[pictures] + (chance * self.count[pictures]).astype(np.int64)


@dataclass(frozen=True)
class ImageBatch:
    """Pictures, the noise that samples their latents, and how far the training is, in [0, 1]."""

    images: Images
    noise: Latents
    progress: float


@dataclass(frozen=True, kw_only=True)
class ImageBatches:
    """Batches for the autoencoder: pictures of the training part and a Gaussian sample each."""

    pixels: UInt8[np.ndarray, "n 3 s s"]
    indices: Int[np.ndarray, "m"]
    size: int
    seed: int
    steps: int
    latent_shape: tuple[int, int, int]

    def at(self, step: int) -> ImageBatch:
        """The pictures of one step."""
        chosen = self.indices[order(self.seed, len(self.indices), self.size, step)]
        noise = torch.randn(
            (self.size, *self.latent_shape), generator=generator("posterior", self.seed, step)
        )
        return ImageBatch(images=to_images(self.pixels[chosen]), noise=noise, progress=step / self.steps)


@dataclass(frozen=True)
class CaptionedBatch:
    """Pictures and the tokens of one caption each."""

    images: Images
    tokens: Int[Tensor, "b l"]


@dataclass(frozen=True, kw_only=True)
class CaptionedBatches:
    """Batches for the contrastive stage."""

    pixels: UInt8[np.ndarray, "n 3 s s"]
    indices: Int[np.ndarray, "m"]
    captions: Captions
    tokens: Int[Tensor, "r l"]
    size: int
    seed: int

    def at(self, step: int) -> CaptionedBatch:
        """The pictures of one step, each with one of its captions."""
        chosen = self.indices[order(self.seed, len(self.indices), self.size, step)]
        rows = torch.from_numpy(self.captions.pick(chosen, self.seed, step))
        return CaptionedBatch(images=to_images(self.pixels[chosen]), tokens=self.tokens[rows])


@dataclass(frozen=True)
class DenoisingBatch:
    """Clean latents, their captions, and all the chance that the step needs."""

    x0: Latents
    eps: Latents
    uniforms: Float[Tensor, "b"]
    """Where in the density of times each picture stands, in (0, 1)."""
    dropped: Bool[Tensor, "b"]
    """Whose caption is hidden, for classifier-free guidance."""
    text: TextEmbedding | Int[Tensor, "b l"]
    """Embeddings, or tokens when the text encoder is trained along."""


@dataclass(frozen=True, kw_only=True)
class DenoisingBatches:
    """Batches for the denoiser, from kept latents."""

    latents: Float[np.ndarray, "n c h w"]
    indices: Int[np.ndarray, "m"]
    captions: Captions
    text: Callable[[Int[np.ndarray, "b"]], TextEmbedding | Int[Tensor, "b l"]]
    """Caption rows => their kept embeddings, or their tokens."""
    size: int
    seed: int
    caption_dropout: float

    def at(self, step: int) -> DenoisingBatch:
        """The latents of one step with their noise, times and captions.

        The uniforms are stratified over the batch (Kingma et al. 2021, appendix I.1): less variance for free.
        """
        chosen = self.indices[order(self.seed, len(self.indices), self.size, step)]
        chance = generator("denoising", self.seed, step)
        x0 = torch.from_numpy(np.array(self.latents[chosen]))
        strata = torch.randperm(self.size, generator=chance)
        return DenoisingBatch(
            x0=x0,
            eps=torch.randn(x0.shape, generator=chance),
            uniforms=(strata + torch.rand(self.size, generator=chance)) / self.size,
            dropped=torch.rand(self.size, generator=chance) < self.caption_dropout,
            text=self.text(self.captions.pick(chosen, self.seed, step)),
        )
