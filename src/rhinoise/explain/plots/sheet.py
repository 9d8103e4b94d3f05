"""A figure on which things are placed in inches, from the left and from the top."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from PIL import Image

from rhinoise.explain.plots.style import EDGE, TEXT, new_figure

Pixels = Float[np.ndarray, "H W 3"] | Image.Image
"""A picture: numbers in [0, 1], or one of Pillow's."""


class Sheet:
    """A figure of `across` x `down` inches."""

    def __init__(self, across: float, down: float) -> None:
        self.across, self.down = across, down
        self.figure = new_figure(across, down, constrained=False)

    def text(self, x: float, y: float, what: str, **more: Any) -> None:
        """Words right of x and below y, or as `more` aligns them; a dollar in a prompt is no mathematics."""
        settings: dict[str, Any] = {"ha": "left", "va": "top", "fontsize": TEXT, "parse_math": False} | more
        self.figure.text(x / self.across, 1 - y / self.down, what, **settings)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Empty axes whose upper left corner is at (x, y)."""
        return self.figure.add_axes(
            (x / self.across, 1 - (y + height) / self.down, width / self.across, height / self.down)
        )

    def picture(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        pixels: Pixels,
        *,
        edge: str = EDGE,
        line: float = 0.6,
    ) -> None:
        """A picture, its pixels as squares; `edge` is its frame's colour, `line` that one's points."""
        axes = self.axes(x, y, width, height)
        axes.imshow(pixels, interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=edge, linewidth=line)  # a white picture ends somewhere, too
