"""Figures of numbers, drawn off screen: one typeface, a palette for every eye. The home of matplotlib."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rhinoise.core.files import replacing
from rhinoise.core.images import to_pil
from rhinoise.core.shapes import Images, Latents
from rhinoise.diffusion.forward import Frame
from rhinoise.storage.provenance import MARK

DPI = 160
TEXT, TITLE = 10, 12
"""Sizes in points: at half the figure's size still read."""
BLUE, ORANGE, GREY, EDGE = "#0072B2", "#D55E00", "#555555", "#CCCCCC"
"""Told apart by every kind of colour vision (Okabe & Ito 2008)."""
FRAME = 1.15
"""Inches that a picture is wide."""
GAP, LINE, MARGIN = 0.07, 0.2, 0.15
"""Inches between pictures, per line of text, and around everything."""
PER_ROW = 11
SMOOTHED = 0.01
"""The part of a training over which its loss is averaged."""


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor="white", metadata=MARK)


# --- pictures in rows


def strip_figure(frames: Sequence[Frame], *, schedule: str) -> Figure:
    """The forward strip: pictures, from clean to noise, and under each its t, SNR in dB and correlation.

    Noise above unit variance (an EDM schedule's) is scaled down to it: only black and white would be seen.
    """
    return _picture_rows(
        f"The forward process, {schedule} schedule",
        [[_seen(frame.x) for frame in frames]],
        [],
        {
            "t": [f"{frame.t:.2f}" for frame in frames],
            "SNR in dB": [_decibels(frame.snr_db) for frame in frames],
            "correlation": [_number(float(frame.correlation[0]), 2) for frame in frames],
        },
    )


def before_after_figure(before: Images, after: Images) -> Figure:
    """Pictures above what an autoencoder leaves of them, and under each pair its PSNR in dB."""
    error = ((before.clamp(-1, 1) - after.clamp(-1, 1)) / 2).square().mean(dim=(1, 2, 3))
    return _picture_rows(
        "What the autoencoder keeps",
        [[_seen(image[None]) for image in images] for images in (before, after)],
        ["original", "decoded"],
        {
            "PSNR in dB": [
                _decibels(-10 * math.log10(value) if value else math.inf) for value in error.tolist()
            ]
        },
    )


def _picture_rows(
    title: str,
    bands: Sequence[Sequence[Float[np.ndarray, "H W 3"]]],
    names: Sequence[str],
    lines: Mapping[str, Sequence[str]],
) -> Figure:
    """Bands of pictures, one above the other, with lines of text under each column; wrapped at PER_ROW."""
    number = len(bands[0])
    rows = math.ceil(number / PER_ROW)
    columns = math.ceil(number / rows)
    height, width = bands[0][0].shape[:2]
    tall = FRAME * height / width
    left = MARGIN + 0.085 * max(map(len, (*names, *lines)))
    across = left + columns * (FRAME + GAP) - GAP + MARGIN
    each = len(bands) * (tall + GAP) + len(lines) * LINE + GAP
    head = MARGIN + 1.7 * LINE
    down = head + rows * each + MARGIN
    figure = Figure(figsize=(across, down))
    FigureCanvasAgg(figure)

    def text(x: float, y: float, what: str, align: str, **more: Any) -> None:
        figure.text(x / across, 1 - y / down, what, ha=align, va="top", **({"fontsize": TEXT} | more))

    text(MARGIN, MARGIN, title, "left", fontsize=TITLE)
    for row in range(rows):
        top = head + row * each
        below = top + len(bands) * (tall + GAP)
        for band, name in enumerate(names):
            text(left - 0.1, top + band * (tall + GAP) + tall / 2 - LINE / 2, name, "right", color=GREY)
        for line, name in enumerate(lines):
            text(left - 0.1, below + line * LINE, name, "right", color=GREY)
        for column, index in enumerate(range(row * columns, min((row + 1) * columns, number))):
            x = left + column * (FRAME + GAP)
            for band, pictures in enumerate(bands):
                bottom = 1 - (top + band * (tall + GAP) + tall) / down
                axes = figure.add_axes((x / across, bottom, FRAME / across, tall / down))
                axes.imshow(pictures[index], interpolation="nearest", aspect="auto")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set(color=EDGE, linewidth=0.6)  # a white picture ends somewhere, too
            for line, values in enumerate(lines.values()):
                text(x + FRAME / 2, below + line * LINE, values[index], "center")
    return figure


def _seen(x: Latents) -> Float[np.ndarray, "H W 3"]:
    """The first picture of a batch as it is shown, in [0, 1]."""
    scaled = x[:1] / max(1.0, float(x[:1].std()))
    return np.asarray(to_pil(scaled)[0], dtype=np.float64) / 255


def _decibels(value: float) -> str:
    return _number(value, 1) if math.isfinite(value) else ("∞" if value > 0 else "−∞")


def _number(value: float, digits: int) -> str:
    """With a true minus sign, and without one before zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


# --- curves

_LOSSES = {
    "autoencoder": "loss (weighted sum of its parts)",
    "text": "contrastive loss (nats)",
    "denoiser": "mean squared error (latent variance 1)",
    "low-rank": "mean squared error (latent variance 1)",
}
"""Stage => what its loss is."""
_HELD_OUT = {"denoiser": "held out", "low-rank": "low-rank held out"}
"""Stage => what the log calls its looks at held-out pictures."""


def loss_figure(entries: Sequence[Mapping[str, Any]]) -> Figure:
    """The loss of every stage of a run's log, smoothed, and the denoisers' on held-out pictures.

    `entries` are the records of log.jsonl: `stage` and `step`, with `losses` for a step of training, with
    `loss` for a look at held-out pictures.
    """
    stages = [stage for stage in _LOSSES if any(entry["stage"] == stage for entry in entries)]
    figure = Figure(figsize=(4.4 * max(1, len(stages)), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, stage in zip(figure.subplots(1, max(1, len(stages)), squeeze=False)[0], stages, strict=False):
        steps, losses = _curve(entries, stage)
        smooth = smoothed(losses, SMOOTHED)
        axes.plot(steps, losses, color=BLUE, alpha=0.2, linewidth=0.7)
        axes.plot(steps, smooth, color=BLUE, linewidth=1.8, label="training, smoothed")
        tops = [smooth[len(smooth) // 20 :].max()]
        looks = [entry for entry in entries if entry["stage"] == _HELD_OUT.get(stage)]
        if looks:
            values = [entry["loss"] for entry in looks]
            axes.plot(
                [entry["step"] for entry in looks],
                values,
                "o-",
                color=ORANGE,
                linewidth=1.8,
                label="held out",
            )
            axes.legend(frameon=False, fontsize=TEXT)
            tops.append(max(values))
        _dress(axes, stage, 1.15 * max(tops))
    return figure


def smoothed(values: Float[np.ndarray, "n"], width: float) -> Float[np.ndarray, "n"]:
    """An exponential mean of the past over about `width` of all values, without a bias at the start."""
    keep = 1 - 1 / max(1.0, width * len(values))
    mean, weight, found = 0.0, 0.0, []
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        found.append(mean / weight)
    return np.array(found)


def _curve(
    entries: Sequence[Mapping[str, Any]], stage: str
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    own = [entry for entry in entries if entry["stage"] == stage]
    return np.array([float(entry["step"]) for entry in own]), np.array(
        [entry["losses"]["loss"] for entry in own]
    )


def _dress(axes: Axes, stage: str, top: float) -> None:
    """Titles, units, and no more ink than is needed."""
    axes.set_title(stage, fontsize=TITLE, loc="left")
    axes.set_xlabel("step", fontsize=TEXT)
    axes.set_ylabel(_LOSSES[stage], fontsize=TEXT)
    axes.tick_params(labelsize=TEXT)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_ylim(0, top)
    axes.spines[["top", "right"]].set_visible(False)
