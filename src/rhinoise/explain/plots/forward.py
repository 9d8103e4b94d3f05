"""A picture drowning in pixels and in latents, side by side; and how fast each schedule drowns one."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rhinoise.diffusion.forward import Frame
from rhinoise.explain.measure.forward import HALF, Seen, SnrCurve
from rhinoise.explain.plots.pictures import decibels, number, picture_rows, shown
from rhinoise.explain.plots.style import BLUE, EDGE, GREY, ORANGE, SIX, TEXT, dress, new_figure

ROOM, FOOT, SIDE = 3.5, 0.75, 0.85
"""Inches below the strips for the curves: in all, under them for their labels, and beside them."""
SNR_RANGE = (-60.0, 60.0)
DASHES = ("solid", "dashed", "dashdot", "dotted", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))


def aligned_figure(
    pixels: Sequence[Frame],
    latents: Sequence[Frame],
    fading: Mapping[str, Sequence[Seen]],
    *,
    schedule: str,
) -> Figure:
    """Two strips of the same SNRs, and below what is left at each: layout, colours and details.

    `latents` are decoded; `fading` has the curves by the names "pixels" and "latents".
    """
    sheet = picture_rows(
        f"Noise in pixels and in latents, {schedule} schedule",
        [[shown(frame.x) for frame in frames] for frames in (pixels, latents)],
        ["in pixels", "in latents, decoded"],
        {
            "t": [number(frame.t, 2) for frame in pixels],
            "SNR in dB": [decibels(frame.snr_db) for frame in pixels],
        },
        room=ROOM,
    )
    names = list(next(iter(fading.values()))[0].aspects)
    each = (sheet.across - 0.3) / len(names)
    for place, name in enumerate(names):
        x = 0.15 + place * each + SIDE - 0.2
        axes = sheet.axes(x, sheet.down - ROOM + 0.5, each - SIDE, ROOM - FOOT - 0.5)
        _faded(axes, name, fading)
        if place:
            axes.set_ylabel("")
    return sheet.figure


def _faded(axes: Axes, name: str, fading: Mapping[str, Sequence[Seen]]) -> None:
    """How much of one aspect is left, from clean on the left to noise on the right."""
    dress(axes, name, "SNR (dB)", "correlation with the clean picture")
    axes.axhline(HALF, color=EDGE, linewidth=1)
    axes.set(xlim=(30, -30), ylim=(-0.25, 1.05), xticks=range(30, -31, -15), yticks=(0, 0.5, 1))
    axes.set_xticklabels([number(float(tick), 0) for tick in range(30, -31, -15)])
    for (space, curve), colour, dash in zip(fading.items(), (BLUE, ORANGE), ("solid", "dashed"), strict=True):
        values = [value for seen in curve if (value := seen.aspects[name]) is not None]
        if not values:
            axes.text(0, 0.75, f"this picture has no {name}", ha="center", fontsize=TEXT, color=GREY)
            return
        at = [seen.snr_db for seen in curve]
        axes.plot(at, values, color=colour, linestyle=dash, linewidth=2, label=f"in {space}")
    axes.legend(frameon=False, fontsize=TEXT, loc="lower left", borderaxespad=0.2)


def snr_figure(curves: Mapping[str, SnrCurve], chosen: Sequence[str]) -> Figure:
    """The SNR of schedules over time, those in `chosen` thick."""
    figure = new_figure(7.2, 4.4)
    axes = figure.subplots()
    for (name, curve), colour, dash in zip(curves.items(), SIX, DASHES, strict=True):
        points = [(t, value) for t, value in zip(curve.t, curve.snr_db, strict=True) if value is not None]
        thick = name in chosen
        axes.plot(
            *zip(*points, strict=True),
            color=colour,
            linestyle="solid" if thick else dash,
            linewidth=2.8 if thick else 1.4,
            label=name,
        )
    axes.axhline(0, color=EDGE, linewidth=1)
    axes.text(1, 1.5, "above this line: more picture than noise", ha="right", fontsize=TEXT, color=GREY)
    axes.set(xlim=(0, 1), ylim=SNR_RANGE)
    axes.yaxis.set_major_formatter(lambda value, _: number(value, 0))
    dress(axes, "How fast each schedule drowns a picture", "time t (0 clean, 1 noise)", "SNR (dB)")
    axes.legend(frameon=False, fontsize=TEXT, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
