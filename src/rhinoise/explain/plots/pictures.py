"""Pictures in rows, with lines of numbers under them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from rhinoise.core.images import to_pil
from rhinoise.core.shapes import Images, Latents
from rhinoise.diffusion.forward import Frame
from rhinoise.explain.plots.sheet import Sheet
from rhinoise.explain.plots.style import GREY, TITLE

FRAME = 1.15
"""Inches that a picture is wide."""
GAP, LINE, MARGIN = 0.07, 0.2, 0.15
"""Inches between pictures, per line of text, and around everything."""
PER_ROW = 11


def strip_figure(frames: Sequence[Frame], *, schedule: str) -> Figure:
    """The forward strip: pictures, from clean to noise, and under each its t, SNR in dB and correlation.

    Noise above unit variance (an EDM schedule's) is scaled down to it: only black and white would be seen.
    """
    return picture_rows(
        f"The forward process, {schedule} schedule",
        [[shown(frame.x) for frame in frames]],
        [],
        {
            "t": [f"{frame.t:.2f}" for frame in frames],
            "SNR in dB": [decibels(frame.snr_db) for frame in frames],
            "correlation": [number(float(frame.correlation[0]), 2) for frame in frames],
        },
    ).figure


def before_after_figure(before: Images, after: Images) -> Figure:
    """Pictures above what an autoencoder leaves of them, and under each pair its PSNR in dB."""
    error = ((before.clamp(-1, 1) - after.clamp(-1, 1)) / 2).square().mean(dim=(1, 2, 3))
    return picture_rows(
        "What the autoencoder keeps",
        [[shown(image[None]) for image in images] for images in (before, after)],
        ["original", "decoded"],
        {
            "PSNR in dB": [
                decibels(-10 * math.log10(value) if value else math.inf) for value in error.tolist()
            ]
        },
    ).figure


def picture_rows(
    title: str,
    bands: Sequence[Sequence[Float[np.ndarray, "H W 3"]]],
    names: Sequence[str],
    lines: Mapping[str, Sequence[str]],
    room: float = 0.0,
) -> Sheet:
    """Bands of pictures, one above the other, with lines of text under each column; wrapped at PER_ROW.

    `room` inches stay empty below, for more.
    """
    count = len(bands[0])
    rows = math.ceil(count / PER_ROW)
    columns = math.ceil(count / rows)
    height, width = bands[0][0].shape[:2]
    tall = FRAME * height / width
    left = MARGIN + 0.085 * max(map(len, (*names, *lines)))
    across = left + columns * (FRAME + GAP) - GAP + MARGIN
    each = len(bands) * (tall + GAP) + len(lines) * LINE + GAP
    head = MARGIN + 1.7 * LINE
    down = head + rows * each + MARGIN + room
    sheet = Sheet(across, down)
    sheet.text(MARGIN, MARGIN, title, fontsize=TITLE)
    for row in range(rows):
        top = head + row * each
        below = top + len(bands) * (tall + GAP)
        for band, name in enumerate(names):
            middle = top + band * (tall + GAP) + tall / 2
            sheet.text(left - 0.1, middle - LINE / 2, name, ha="right", color=GREY)
        for line, name in enumerate(lines):
            sheet.text(left - 0.1, below + line * LINE, name, ha="right", color=GREY)
        for column, index in enumerate(range(row * columns, min((row + 1) * columns, count))):
            x = left + column * (FRAME + GAP)
            for band, pictures in enumerate(bands):
                sheet.picture(x, top + band * (tall + GAP), FRAME, tall, pictures[index])
            for line, values in enumerate(lines.values()):
                sheet.text(x + FRAME / 2, below + line * LINE, values[index], ha="center")
    return sheet


def shown(x: Latents) -> Float[np.ndarray, "H W 3"]:
    """The first picture of a batch as it is shown, in [0, 1]."""
    scaled = x[:1] / max(1.0, float(x[:1].std()))
    return np.asarray(to_pil(scaled)[0], dtype=np.float64) / 255


def decibels(value: float | None) -> str:
    """With one decimal; infinities as signs, None as there being nothing to say."""
    if value is None:
        return "–"
    return number(value, 1) if math.isfinite(value) else ("∞" if value > 0 else "−∞")


def number(value: float, digits: int) -> str:
    """With a true minus sign, and without one before zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
