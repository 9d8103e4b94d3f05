"""The feature spaces that sets of pictures are compared in; the best whose weights are at hand.

inception_v3         what published distances are measured in (Szegedy et al. 2016), if its weights are there
efficientnet_lite0   ImageNet features from two small packages
random_conv          a fixed random network; always there

Nothing is downloaded. Numbers of different spaces do not compare, so whoever tells one names its space.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError, MissingPackageError, ModelFolderError, UnknownNameError
from rhinoise.core.files import digest, sha256
from rhinoise.core.images import from_uint8, to_uint8
from rhinoise.core.shapes import Images
from rhinoise.data.latents import encoded
from rhinoise.nets.features import FEATURES

BATCH = 64
"""Pictures that a space sees at a time."""
BLOCK = 256
"""Pictures whose features are kept together."""


@runtime_checkable
class Space(Protocol):
    """Pictures => vectors, by name."""

    name: str
    dim: int

    def __call__(self, images: Images) -> Float[Tensor, "b f"]:
        """One vector of width `dim` per picture."""
        ...


class InceptionV3(nn.Module):
    """The 2048 numbers before the classifier of the network that FID is defined on, through torchmetrics."""

    name = "inception_v3"
    dim = 2048
    FILE = "weights-inception-2015-12-05-6726825d.pth"
    SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

    def __init__(self) -> None:
        super().__init__()
        if find_spec("torch_fidelity") is None:
            raise MissingPackageError("the feature space inception_v3", "torch-fidelity")
        path = Path(torch.hub.get_dir()) / "checkpoints" / self.FILE
        if not path.is_file():
            raise ConfigError(
                f"the feature space inception_v3 needs the weights {path}, and nothing is downloaded here: "
                "put them there, or take another space (--features efficientnet_lite0)"
            )
        if sha256(path) != self.SHA256:
            raise ModelFolderError(f"{path} is not the file that rhinoise knows: remove it")
        from torchmetrics.image.fid import NoTrainInceptionV3

        self.network: Any = NoTrainInceptionV3("inception-v3-compat", [str(self.dim)], str(path))

    def forward(self, images: Images) -> Float[Tensor, "b f"]:
        """The network takes bytes, and scales them to its own size."""
        return self.network(to_uint8(images))


SPACES: dict[str, Callable[[], Space]] = {"inception_v3": InceptionV3, **FEATURES}
"""Name => the space; in the order in which they are preferred."""


def open_space(name: str | None = None) -> Space:
    """The space of that name, or the first that is at hand.

    Raises:
        UnknownNameError: no space of this name.
        MissingPackageError, ConfigError: its package, or its weights, are not here.
    """
    if name is not None:
        if name not in SPACES:
            raise UnknownNameError("feature space", name, SPACES)
        return SPACES[name]()
    for make in SPACES.values():
        try:
            return make()
        except (MissingPackageError, ConfigError):
            continue
    raise AssertionError("random_conv is always there")


@torch.no_grad()
def embedded(space: Space, images: Images) -> Float[Tensor, "b f"]:
    """The features of many pictures, BATCH at a time."""
    return torch.cat([space(part) for part in images.split(BATCH)])


def blocks(space: Space, pixels: UInt8[np.ndarray, "n 3 s s"], cache: Path) -> Iterator[Float[Tensor, "_ f"]]:
    """The features of pictures, BLOCK by BLOCK, kept in `cache` by their content.

    Who leaves half-way finds the finished blocks again.
    """
    for start in range(0, len(pixels), BLOCK):
        block = np.array(pixels[start : start + BLOCK])  # a copy: the map of a file may not be written to
        key = digest("features", space.name, str(block.shape), block.tobytes())
        kept = encoded(cache, key, len(block), _chunks(space, block))
        yield torch.from_numpy(kept["features"].copy())


def _chunks(space: Space, block: UInt8[np.ndarray, "n 3 s s"]) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, len(block), BATCH):
        images = from_uint8(torch.from_numpy(block[start : start + BATCH]))
        yield {"features": embedded(space, images).numpy()}
