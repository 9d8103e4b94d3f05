"""At which noise level a picture is decided, and how much of it by its caption."""

from matplotlib.figure import Figure

from rhinoise.explain.measure.information import TOLD, Information
from rhinoise.explain.plots.pictures import number
from rhinoise.explain.plots.style import BLUE, EDGE, GREY, ORANGE, TEXT, dress, new_figure

LOOKS = {TOLD[0]: (BLUE, "solid", "o"), TOLD[1]: (ORANGE, "dashed", "s"), TOLD[2]: ("black", "dotted", "^")}
"""What is told => its colour, line and mark."""


def information_figure(found: Information, which: str) -> Figure:
    """The loss by noise level and by what is told; and at which levels the caption tells how much.

    `which` says what pictures it was measured on.
    """
    figure = new_figure(10.0, 4.4)
    left, right = figure.subplots(1, 2)
    decibels = [level.snr_db for level in found.levels]
    for name in found.levels[0].answer:
        colour, dash, mark = LOOKS[name]
        losses = [level.answer[name] for level in found.levels]
        left.plot(decibels, losses, color=colour, linestyle=dash, marker=mark, markersize=4, label=name)
    dress(left, f"Loss, {which}", "SNR (dB), noise to the right", "mean squared error (latent variance 1)")
    left.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=TEXT, title="told", title_fontsize=TEXT)
    nats = [level.nats_per_db for level in found.levels]
    errors = [level.nats_error for level in found.levels]
    right.axhline(0, color=EDGE, linewidth=1)
    right.fill_between(
        decibels,
        [value - 2 * error for value, error in zip(nats, errors, strict=True)],
        [value + 2 * error for value, error in zip(nats, errors, strict=True)],
        color=BLUE,
        alpha=0.2,
        linewidth=0,
    )
    right.plot(decibels, nats, "o-", color=BLUE, markersize=4)
    first, half, last = found.half
    if found.nats > 0:
        right.axvline(half, color=GREY, linewidth=1, linestyle="dotted")
    dress(
        right,
        f"A caption tells {number(found.nats, 0)} ± {number(found.nats_error, 0)} nats of a picture",
        "SNR (dB), noise to the right",
        "nats per dB (band: 2 standard errors)",
    )
    for axes in (left, right):
        axes.invert_xaxis()
        axes.xaxis.set_major_formatter(lambda value, _: number(value, 0))
    if found.nats > 0:
        figure.supxlabel(
            f"Half of it is told by {number(half, 0)} dB (dotted), from {number(first, 0)} to "
            f"{number(last, 0)} dB eight tenths of it; beyond, the picture tells itself.",
            fontsize=TEXT,
            color=GREY,
        )
    return figure
