"""Drawn pictures beside the training pictures that are nearest to them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from rhinoise.core.images import to_pil, wrapped
from rhinoise.core.shapes import Images
from rhinoise.explain.plots.style import BLUE, EDGE, GREY, ORANGE, TEXT, TITLE, new_figure

PICTURE, GAP, MARGIN, LINE = 1.0, 0.08, 0.2, 0.19
"""Inches: a picture's side, between pictures, around everything, per line of text."""
LINES = 2
"""Of text under a picture: its ratio, and one for air."""
BESIDE = 0.35
"""Inches between two pairs."""

EXPLAINED = "0: a copy   1: no nearer to one than to many"

COLOURS = {"replica": ORANGE, "near": BLUE}
"""Label => its colour; the word stands beside it, and all others are grey."""


@dataclass(frozen=True, kw_only=True)
class Near:
    """The nearest training picture in one view."""

    image: Images
    caption: str
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A drawn picture, what was found of it, and the nearest training picture by name of the view."""

    prompt: str
    drawn: Images
    label: str
    score: float
    nearest: Mapping[str, Near]


def replica_figure(pairs: Sequence[Pair], *, title: str) -> Figure:
    """Each drawn picture with its label, and right of it its nearest training picture in every view.

    `pairs`: one at least; pictures are batches of one. Under each training picture stands the view's ratio.
    """
    views = list(pairs[0].nearest)
    columns = 1 if len(pairs) < 3 else 2
    rows = math.ceil(len(pairs) / columns)
    wide = (1 + len(views)) * (PICTURE + GAP) + GAP
    tall = 2 * LINE + PICTURE + LINES * LINE
    across = 2 * MARGIN + columns * wide + (columns - 1) * BESIDE
    head = MARGIN + 4.4 * LINE
    down = head + rows * tall + MARGIN
    figure = new_figure(across, down, constrained=False)

    def text(
        x: float, y: float, what: str, colour: str = "black", align: str = "left", size: int = TEXT
    ) -> None:
        figure.text(x / across, 1 - y / down, what, color=colour, ha=align, va="top", fontsize=size)

    def picture(x: float, y: float, image: Images, colour: str, width: float) -> None:
        axes = figure.add_axes((x / across, 1 - (y + PICTURE) / down, PICTURE / across, PICTURE / down))
        axes.imshow(to_pil(image)[0], interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=colour, linewidth=width)

    text(MARGIN, MARGIN, title, size=TITLE)
    text(MARGIN, MARGIN + 1.5 * LINE, EXPLAINED, GREY)
    for column in range(columns):
        left = MARGIN + column * (wide + BESIDE)
        for place, view in enumerate(("drawn", *(f"in {view}" for view in views))):
            middle = left + place * (PICTURE + GAP) + (place > 0) * GAP + PICTURE / 2
            text(middle, MARGIN + 3.1 * LINE, view, GREY, "center")
    for number, pair in enumerate(pairs):
        row, column = divmod(number, columns)
        left, top = MARGIN + column * (wide + BESIDE), head + row * tall
        colour = COLOURS.get(pair.label, GREY)
        text(left, top + 0.6 * LINE, _one_line(pair.prompt, wide))
        top += 1.8 * LINE
        picture(left, top, pair.drawn, colour, 2.0 if pair.label in COLOURS else 0.6)
        text(
            left + PICTURE / 2, top + PICTURE + 0.3 * LINE, f"{pair.label} {pair.score:.2f}", colour, "center"
        )
        for place, view in enumerate(views, start=1):
            near, x = pair.nearest[view], left + place * (PICTURE + GAP) + GAP
            picture(x, top, near.image, EDGE, 0.6)
            text(x + PICTURE / 2, top + PICTURE + 0.3 * LINE, f"{near.ratio:.2f}", GREY, "center")
    return figure


def _one_line(words: str, inches: float) -> str:
    """As much of the words as fits."""
    lines = wrapped(words, round(72 * inches), TEXT) or ["(no prompt)"]
    return lines[0] if len(lines) == 1 else f"{lines[0]} ..."
