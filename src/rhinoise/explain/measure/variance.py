"""How far the results of one reconstruction are from the original, and from each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.images import to_uint8
from rhinoise.core.shapes import Images

VISIBLE = 13
"""A pixel that varies by more than this (5 % of 255) is seen to vary."""


@dataclass(frozen=True, kw_only=True)
class Variance:
    """Several results of one strength; distances are root mean squares over all pixels, of 255."""

    strength: float
    to_original: tuple[float, ...]
    """From each result to the original."""
    to_each_other: float
    """The mean over all pairs of results."""
    nearest_pair: float
    replicas: int
    """Results that are the original, byte for byte."""
    same_pairs: int
    """Pairs of results that are one picture, byte for byte."""
    deviation: float
    """The mean over pixels of the standard deviation over the results, of 255."""
    varying: float
    """The share of pixels whose standard deviation is above VISIBLE."""

    @property
    def mean_to_original(self) -> float:
        """The results' mean distance to the original."""
        return sum(self.to_original) / len(self.to_original)


def variance(images: Images, original: Float[Tensor, "1 3 H W"], strength: float) -> Variance:
    """What is alike and what differs, of at least two results."""
    apart, same = [], 0
    pixels = to_uint8(images)
    for row in range(len(images) - 1):
        apart += rms(images[row + 1 :] - images[row])
        same += int((pixels[row + 1 :] == pixels[row]).flatten(1).all(1).sum())
    spread = deviation(images)
    return Variance(
        strength=strength,
        to_original=tuple(rms(images - original)),
        to_each_other=sum(apart) / len(apart),
        nearest_pair=min(apart),
        replicas=int((pixels == to_uint8(original)).flatten(1).all(1).sum()),
        same_pairs=same,
        deviation=float(spread.mean()),
        varying=float((spread > VISIBLE).float().mean()),
    )


def deviation(images: Images) -> Float[Tensor, "H W"]:
    """The standard deviation over the pictures at each pixel, in bytes (0 to 255), the colours' mean."""
    return 127.5 * images.std(dim=0).mean(dim=0)


def rms(difference: Float[Tensor, "b c h w"]) -> list[float]:
    """The root mean square of each picture's difference, in bytes."""
    return (127.5 * difference.square().mean(dim=(1, 2, 3)).sqrt()).tolist()


def in_words(found: Sequence[Variance], floor: float) -> str:
    """The chapter's sentence, in numbers; `floor` is how far the autoencoder alone goes."""
    results = [distance for one in found for distance in one.to_original]
    exact = sum(one.replicas for one in found)
    near = sum(distance <= floor for distance in results)
    return (
        f"of {len(results)} results {exact or 'none'} {'is' if exact < 2 else 'are'} an exact replica, "
        f"{near or 'none'} as near as the autoencoder alone ({floor:.1f} of 255); they are "
        f"{found[0].mean_to_original:.0f} of 255 from the picture at strength {found[0].strength:g} and "
        f"{found[-1].mean_to_original:.0f} at {found[-1].strength:g}, and from each other "
        f"{found[0].to_each_other:.0f} and {found[-1].to_each_other:.0f}"
    )


@torch.no_grad()
def as_grey(spread: Float[Tensor, "H W"], white: float) -> Float[Tensor, "1 3 H W"]:
    """A deviation as a picture: black is none, white is `white` or more."""
    return (2 * spread / max(white, 1e-6) - 1).clamp(-1, 1).expand(1, 3, -1, -1)
