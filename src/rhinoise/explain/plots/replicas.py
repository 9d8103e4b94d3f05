"""Drawn pictures beside the training pictures that are nearest to them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from rhinoise.core.images import to_pil, wrapped
from rhinoise.core.shapes import Images
from rhinoise.explain.plots.sheet import Sheet
from rhinoise.explain.plots.style import BLUE, GREY, ORANGE, TEXT, TITLE

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
    sheet = Sheet(across, down)
    sheet.text(MARGIN, MARGIN, title, fontsize=TITLE)
    sheet.text(MARGIN, MARGIN + 1.5 * LINE, EXPLAINED, color=GREY)
    for column in range(columns):
        left = MARGIN + column * (wide + BESIDE)
        for place, view in enumerate(("drawn", *(f"in {view}" for view in views))):
            middle = left + place * (PICTURE + GAP) + (place > 0) * GAP + PICTURE / 2
            sheet.text(middle, MARGIN + 3.1 * LINE, view, color=GREY, ha="center")
    for number, pair in enumerate(pairs):
        row, column = divmod(number, columns)
        left, top = MARGIN + column * (wide + BESIDE), head + row * tall
        colour = COLOURS.get(pair.label, GREY)
        sheet.text(left, top + 0.6 * LINE, _one_line(pair.prompt, wide))
        top += 1.8 * LINE
        below = top + PICTURE + 0.3 * LINE
        line = 2.0 if pair.label in COLOURS else 0.6
        sheet.picture(left, top, PICTURE, PICTURE, to_pil(pair.drawn)[0], edge=colour, line=line)
        said = f"{pair.label} {pair.score:.2f}"
        sheet.text(left + PICTURE / 2, below, said, color=colour, ha="center")
        for place, view in enumerate(views, start=1):
            near, x = pair.nearest[view], left + place * (PICTURE + GAP) + GAP
            sheet.picture(x, top, PICTURE, PICTURE, to_pil(near.image)[0])
            sheet.text(x + PICTURE / 2, below, f"{near.ratio:.2f}", color=GREY, ha="center")
    return sheet.figure


def _one_line(words: str, inches: float) -> str:
    """As much of the words as fits."""
    lines = wrapped(words, round(72 * inches), TEXT) or ["(no prompt)"]
    return lines[0] if len(lines) == 1 else f"{lines[0]} ..."
