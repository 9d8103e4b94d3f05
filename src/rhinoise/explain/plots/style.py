"""What all figures share: one typeface, a palette for every eye, titles, and how they are written."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rhinoise.core.files import replacing
from rhinoise.storage.provenance import MARK

DPI = 160
TEXT, TITLE = 10, 12
"""Sizes in points: at half the figure's size still read."""
BLUE, ORANGE, GREY, EDGE = "#0072B2", "#D55E00", "#555555", "#CCCCCC"
"""Told apart by every kind of colour vision (Okabe & Ito 2008)."""
SIX = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""As many colours of the same palette, for lines of one figure."""


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """An empty figure of that many inches."""
    figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, title: str, across: str, up: str) -> None:
    """Titles, units, and no more ink than is needed."""
    axes.set_title(title, fontsize=TITLE, loc="left")
    axes.set_xlabel(across, fontsize=TEXT)
    axes.set_ylabel(up, fontsize=TEXT)
    axes.tick_params(labelsize=TEXT)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white", metadata=MARK)
