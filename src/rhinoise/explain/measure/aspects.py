"""What there is to see in a picture, from coarse to fine: its layout, its colours, its details.

The first two are seen in a mosaic of CELLS x CELLS cells, each of one colour; details are what it hides.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.images import BRIGHTNESS
from rhinoise.core.shapes import Images

CELLS = 8


def brightness(images: Images) -> Float[Tensor, "b 1 H W"]:
    """A grey picture of each, in [-1, 1]."""
    weights = torch.tensor(BRIGHTNESS, device=images.device)[:, None, None]
    return (images * weights).sum(dim=1, keepdim=True)


def layout(images: Images) -> Float[Tensor, "b 1 rows columns"]:
    """What is bright and dark where: the brightness of the mosaic's cells."""
    return F.adaptive_avg_pool2d(brightness(images), CELLS)


def colours(images: Images) -> Float[Tensor, "b 2 rows columns"]:
    """What is coloured how, and where: red and blue of the mosaic's cells, less their brightness."""
    return F.adaptive_avg_pool2d(images[:, ::2] - brightness(images), CELLS)


def details(images: Images) -> Float[Tensor, "b 1 H W"]:
    """Edges and textures: brightness less the mosaic's, smoothly enlarged."""
    coarse = F.interpolate(layout(images), images.shape[2:], mode="bilinear")
    return brightness(images) - coarse


ASPECTS: dict[str, Callable[[Images], Tensor]] = {"layout": layout, "colours": colours, "details": details}
