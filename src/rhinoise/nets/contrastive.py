"""Contrastive training of the text encoder (CLIP; Radford et al. 2021): which caption fits which picture.

The image tower is small, trained from scratch beside the text encoder, and thrown away after.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from rhinoise.core.shapes import Images

LARGEST_SCALE = 100.0
"""The inverse temperature grows no further (Radford et al. 2021, section 2.5)."""
SMALLEST = 16
"""Pixels a side of the smallest pictures that the image tower takes: less is halved to nothing."""
LARGEST = 64
"""Pixels a side that tell what a picture shows: larger ones are first shrunk to about that."""
TINY = 1e-12
"""Added where there may be no variance at all."""


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """The image tower's channels (its first stage's; each further one doubles them), and the shared space."""

    channels: int = 48
    shared: int = 128
    """The width of the space in which pictures and captions are compared."""
    temperature: float = 0.07
    """Where the learned temperature starts."""
    collapse: float = 0.1
    """How much the `collapse` of the text encoder's states counts; 0: not at all."""


class TowerBlock(nn.Module):
    """x + conv1x1(gelu(conv1x1(conv3x3(norm(x))))), the 3x3 one depthwise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        # Depthwise, then 1x1: a third of a full 3x3 convolution's time.
        self.spatial = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.mix = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape out as in."""
        return x + self.mix(self.spatial(self.norm(x)))


class ImageTower(nn.Module):
    """Pictures => vectors in a space shared with captions: patches of 4 pixels, then three
    stages, two of which halve.

    It also holds what else contrastive training needs beside the text encoder: the projection of captions
    into the shared space, and the temperature.
    """

    def __init__(self, config: ContrastiveConfig, *, pooled_width: int) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.channels, 2 * config.channels, 4 * config.channels
        self.body = nn.Sequential(
            nn.Conv2d(3, first, 4, stride=4),
            TowerBlock(first),
            nn.Conv2d(first, second, 2, stride=2),
            TowerBlock(second),
            TowerBlock(second),
            nn.Conv2d(second, third, 2, stride=2),
            TowerBlock(third),
            nn.GroupNorm(1, third),
        )
        self.head = nn.Linear(third, config.shared, bias=False)
        self.text_head = nn.Linear(pooled_width, config.shared, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))

    def forward(self, images: Images) -> Float[Tensor, "b f"]:
        """One vector per picture, not normalised; height and width are 16 or more."""
        if (times := min(images.shape[2:]) // LARGEST) > 1:
            images = F.avg_pool2d(images, times)
        return self.head(self.body(images).mean(dim=(2, 3)))

    def loss(self, images: Images, pooled: Float[Tensor, "b p"]) -> Float[Tensor, ""]:
        """`contrastive_loss` of pictures and their captions' pooled vectors, in the same order."""
        return contrastive_loss(self(images), self.text_head(pooled), self.log_scale)


def contrastive_loss(
    images: Float[Tensor, "b f"], texts: Float[Tensor, "b f"], log_scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE, in nats (Radford et al. 2021, figure 3): rows of the same number belong together.

    Vectors are normalised here. log(b) when nothing is told apart.
    """
    scale = log_scale.exp().clamp(max=LARGEST_SCALE)
    logits = scale * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def collapse(vectors: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """How few of d directions the vectors fill, in nats: 0 when all alike, log(d) when they lie on a line.

    It is log(d / participation ratio), that ratio being (sum of l)^2 / (sum of l^2) over the eigenvalues l of
    the covariance. Where a few words are enough for pictures and captions to find each other, all others fade
    (dimensional collapse; Jing et al. 2022). This keeps them, as the covariance term of Bardes et al. 2022
    does, and does not care about lengths.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        centred = vectors.float() - vectors.float().mean(dim=0)
        covariance = centred.T @ centred / len(centred)
        squares, trace = covariance.square().sum(), covariance.diagonal().sum()
        # One vector alone varies nowhere: 0.
        return ((squares + TINY) / (trace.square() / len(covariance) + TINY)).log()
