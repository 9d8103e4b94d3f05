"""Where a model looked for each word, as heat over the picture, and what dropping the word changes."""

import math
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from rhinoise.core.shapes import Images
from rhinoise.data.colours import luminance
from rhinoise.explain.measure.attention import (
    Ablation,
    WordMaps,
    agreements,
    at_size,
    concentration,
    relative,
)
from rhinoise.explain.measure.evenly import evenly
from rhinoise.explain.plots.pictures import number, shown
from rhinoise.explain.plots.sheet import Sheet
from rhinoise.explain.plots.style import BLUE, EDGE, GREY, TEXT, TITLE

HEAT = "viridis"
"""Perceptually uniform, and read alike by every kind of colour vision (Smith & van der Walt 2015)."""
SHADE = 0.5
"""How dark a black pixel makes the heat over it; the colours stay those of the scale on white."""
FRAME, TILE, CURVE, BAR = 1.35, 0.8, 2.2, 2.2
"""Inches: a picture of the first figure, one of the second, a curve beside those, and a bar of colours."""
GAP, LINE, MARGIN, LABEL = 0.08, 0.2, 0.15, 1.5
PER_ROW = 7
"""Columns of the first figure, the picture's own counted."""
SHOWN_STEPS = 8
LONGEST = 15
"""Letters of a word that fit over a picture."""
QUANTILE_LIMIT = 10**6
"""Of more places than this only every second, third ... is looked at: torch takes 16 million at most."""
UNCHANGED = 0.5
"""Of 255: below it a change is no more than rounding, and lies anywhere."""
CAUTION = (
    "A map of one colour is a word that was looked at everywhere alike. A map tells where the state of a "
    "word's tokens was read, and the text encoder mixes the words into each other's states before: what a "
    "word does to the picture is shown by leaving it out."
)

Picture = Float[np.ndarray, "H W 3"]


def overlay(image: Images, heat: Float[Tensor, "h w"], peak: float) -> Image.Image:
    """A picture as shading under a map of 0 to `peak`, at the picture's size."""
    return Image.fromarray((255 * _heated(image, heat, peak)).round().astype(np.uint8))


def peak_of(maps: Float[Tensor, "*k h w"]) -> float:
    """Where the colours of relative maps end, for all of them: what 99 % of the places are below."""
    seen = relative(maps).flatten()[:: -(-maps.numel() // QUANTILE_LIMIT)]
    return max(2.0, math.ceil(2 * float(torch.quantile(seen, 0.99))) / 2)


def words_figure(
    prompt: str,
    names: Sequence[str],
    chosen: Sequence[int],
    found: WordMaps,
    image: Images,
    dropped: Sequence[Ablation],
    other: Ablation,
) -> Figure:
    """A column per word: where it was looked at, the picture without it, what that changed, and numbers.

    `chosen` are the words to show, as indices among `found.words` and `names`; `dropped` has an Ablation for
    each. `other` is the same caption drawn from other noise, as a measure of the changes.
    """
    maps, peak = found.mean, peak_of(found.mean[list(chosen)])
    largest = max(float(each.change.max()) for each in (*dropped, other)) or 1.0
    columns: list[tuple[str, list[Picture], list[str]]] = [
        (
            "the picture",
            [shown(image), shown(other.image), _change(other, largest)],
            ["", "", f"{other.rms:.0f}", ""],
        )
    ]
    shares, focus = 100 * found.totals.mean(0), concentration(maps)
    fits = agreements(maps[list(chosen)], torch.stack([each.change for each in dropped])).diag().tolist()
    for index, each, fit in zip(chosen, dropped, fits, strict=True):
        columns.append(
            (
                _label(names[index], index),
                [
                    _heated(image, relative(maps[index]), peak),
                    shown(each.image),
                    _change(each, largest),
                ],
                [
                    f"{float(shares[index]):.2f}",
                    f"{float(focus[index]):.2f}",
                    f"{each.rms:.0f}",
                    "–" if math.isnan(fit) or each.rms < UNCHANGED else number(fit, 2),
                ],
            )
        )
    bands = ["where the model\nlooked for it", "drawn\nwithout it", "what that\nchanged"]
    lines = ["share of attention, %", "concentration", "change, RMS of 255", "change where looked, r"]

    left = MARGIN + 1.85
    wide = min(len(columns), PER_ROW)
    rows = [columns[i : i + PER_ROW] for i in range(0, len(columns), PER_ROW)]
    each_row = LINE + len(bands) * (FRAME + GAP) + len(lines) * LINE + 2 * GAP
    across = max(left + wide * (FRAME + GAP) - GAP + MARGIN, 7.2)
    head = _wrapped(f"Where the model looked: “{_drawn(prompt)}”", across, TITLE)
    foot = _wrapped(_reading(found), across) + _wrapped(CAUTION, across)
    top = MARGIN + 1.3 * LINE * len(head) + GAP
    bars = top + len(rows) * each_row + GAP
    sheet = Sheet(across, bars + 3.2 * LINE + len(foot) * LINE + MARGIN)
    for line, text in enumerate(head):
        sheet.text(MARGIN, MARGIN + 1.3 * LINE * line, text, fontsize=TITLE)
    for place, row in enumerate(rows):
        y = top + place * each_row
        for band, name in enumerate(bands):
            middle = y + LINE + band * (FRAME + GAP) + FRAME / 2
            sheet.text(left - 0.1, middle, name, ha="right", va="center", color=GREY)
        below = y + LINE + len(bands) * (FRAME + GAP)
        for line, name in enumerate(lines):
            sheet.text(left - 0.1, below + line * LINE, name, ha="right", color=GREY)
        for column, (title, pictures, values) in enumerate(row):
            x = left + column * (FRAME + GAP)
            own = place == column == 0
            sheet.text(x + FRAME / 2, y, title, ha="center", color=GREY if own else "black")
            for band, pixels in enumerate(pictures):
                sheet.picture(x, y + LINE + band * (FRAME + GAP), FRAME, FRAME, pixels)
            if own:
                inside: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.8}
                sheet.text(x + 0.06, y + LINE + FRAME + GAP + 0.06, "other noise", color=GREY, bbox=inside)
            for line, value in enumerate(values):
                sheet.text(x + FRAME / 2, below + line * LINE, value, ha="center")
    sheet.text(left - 0.1, bars, "colours", ha="right", color=GREY)
    _bar(sheet, left, bars + 0.04, peak, "times the word's average")
    _bar(sheet, left + 2.7, bars + 0.04, largest, "change, RMS of 255")
    for line, text in enumerate(foot):
        sheet.text(MARGIN, bars + 3.2 * LINE + line * LINE, text, color=GREY)
    return sheet.figure


def steps_figure(
    prompt: str, names: Sequence[str], chosen: Sequence[int], found: WordMaps, predicted: Sequence[Images]
) -> Figure:
    """A row per word: its maps through the steps, over what was then predicted, and its share as a curve.

    `predicted` has the decoded prediction of each step of `shown_steps`.
    """
    steps = shown_steps(len(found.noise))
    maps = found.maps[:, list(chosen)]
    peak = peak_of(maps)
    shares = 100 * found.totals[:, list(chosen)].numpy()
    left = MARGIN + LABEL
    tiles = len(steps) * (TILE + GAP)
    across = max(left + tiles + 0.55 + CURVE + MARGIN, 7.2)
    head = _wrapped(f"When the model looked: “{_drawn(prompt)}”", across, TITLE)
    foot = _wrapped(_reading(found), across)
    top = MARGIN + 1.3 * LINE * len(head) + GAP + 2 * LINE
    bars = top + (1 + len(chosen)) * (TILE + GAP) + 2.6 * LINE
    sheet = Sheet(across, bars + 3.2 * LINE + len(foot) * LINE + MARGIN)
    for line, text in enumerate(head):
        sheet.text(MARGIN, MARGIN + 1.3 * LINE * line, text, fontsize=TITLE)
    sheet.text(left - 0.1, top - 2 * LINE, "step", ha="right", color=GREY)
    sheet.text(left - 0.1, top - LINE, "noise, %", ha="right", color=GREY)
    sheet.text(left - 0.1, top + TILE / 2, "predicted", ha="right", va="center", color=GREY)
    for column, (step, image) in enumerate(zip(steps, predicted, strict=True)):
        x = left + column * (TILE + GAP)
        sheet.text(x + TILE / 2, top - 2 * LINE, f"{step + 1}", ha="center")
        sheet.text(x + TILE / 2, top - LINE, f"{100 * float(found.noise[step]):.0f}", ha="center")
        sheet.picture(x, top, TILE, TILE, shown(image))
    sheet.text(left + tiles + 0.55, top + TILE - LINE, "share of attention, %", color=GREY)
    for row, index in enumerate(chosen):
        y = top + (row + 1) * (TILE + GAP)
        sheet.text(left - 0.1, y + TILE / 2, _label(names[index], index), ha="right", va="center")
        for column, (step, image) in enumerate(zip(steps, predicted, strict=True)):
            heat = relative(maps[step, row])
            sheet.picture(left + column * (TILE + GAP), y, TILE, TILE, _heated(image, heat, peak))
        axes = sheet.axes(left + tiles + 0.55, y + 0.05, CURVE, TILE - 0.1)
        _curves(axes, shares, row, last=row == len(chosen) - 1)
    _bar(sheet, left, bars + 0.04, peak, "times the word's average in that step")
    for line, text in enumerate(foot):
        sheet.text(MARGIN, bars + 3.2 * LINE + line * LINE, text, color=GREY)
    return sheet.figure


def shown_steps(total: int) -> list[int]:
    """At most SHOWN_STEPS of so many steps, evenly, the first and the last among them."""
    return evenly(total, SHOWN_STEPS)


def _bar(sheet: Sheet, x: float, y: float, end: float, what: str) -> None:
    """The heat's colours from 0 to `end`."""
    axes = sheet.axes(x, y, BAR, 0.12)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=HEAT, aspect="auto", extent=(0, end, 0, 1))
    axes.set(yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.tick_params(labelsize=TEXT, length=2)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(what, fontsize=TEXT, color=GREY, labelpad=1)


def _curves(axes: Axes, shares: Float[np.ndarray, "s k"], own: int, *, last: bool) -> None:
    """One word's share by step, the others' behind it."""
    steps = np.arange(1, len(shares) + 1)
    axes.plot(steps, shares, color=EDGE, linewidth=0.8)
    axes.plot(steps, shares[:, own], color=BLUE, linewidth=1.8, marker="o" if len(steps) == 1 else "")
    axes.set_ylim(0, 1.08 * shares.max())
    axes.set_xlim(0.5, len(steps) + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=TEXT, labelbottom=last, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    if last:
        axes.set_xlabel("step", fontsize=TEXT)


def _reading(found: WordMaps) -> str:
    """What all the attention went to, and how coarse the maps are, in a sentence."""
    signs = [place for place, word in enumerate(found.words) if word.is_sign]
    every, marks = float(found.totals.sum(1).mean()), float(found.totals[:, signs].sum(1).mean())
    parts = {
        "words": every - marks,
        "punctuation": marks,
        "the start token": float(found.before.mean()),
        "the end token and padding": float(found.after.mean()),
        "the picture's own tokens": float(found.picture.mean()),
    }
    told = ", ".join(f"{name} {100 * share:.1f} %" for name, share in parts.items() if share > 0)
    sizes = " and ".join(f"{height} x {width}" for height, width in found.by_size)
    return f"Of all attention: {told}. The maps have {sizes} places, drawn smoothly."


def _heated(image: Images, heat: Float[Tensor, "h w"], peak: float) -> Picture:
    at = at_size(heat[None], (image.shape[2], image.shape[3]))[0].numpy()
    colours = colormaps[HEAT](np.clip(at / peak, 0, 1))[..., :3]
    light = luminance(shown(image))
    return colours * (1 - SHADE + SHADE * light[..., None])


def _change(each: Ablation, largest: float) -> Picture:
    return colormaps[HEAT](Normalize(0, largest)(each.change.numpy()))[..., :3]


def _wrapped(text: str, across: float, size: int = TEXT) -> list[str]:
    """Lines that fit a figure so many inches wide."""
    return textwrap.wrap(text, int((across - 2 * MARGIN) / (0.0079 * size)))


def _label(name: str, index: int) -> str:
    """A word as it fits over a picture; by its number where the typeface lacks its letters."""
    if _drawn(name) != name:
        return f"word {index + 1}"
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _drawn(text: str) -> str:
    """A text on one line, with a box for what the typeface has no picture of."""
    letters = _typeface()
    return "".join(letter if ord(letter) in letters else "□" for letter in " ".join(text.split()))


@cache
def _typeface() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
