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
    noisy, rest = found.noisy_nats, found.nats - found.noisy_nats
    dress(
        right,
        f"What a caption tells: {number(noisy, 0)} nats below 0 dB, {number(rest, 0)} above",
        "SNR (dB), noise to the right",
        "nats per dB (band: 2 standard errors)",
    )
    for axes in (left, right):
        axes.invert_xaxis()
        axes.xaxis.set_major_formatter(lambda value, _: number(value, 0))
        if found.matters_below_db is not None:
            axes.axvline(found.matters_below_db, color=GREY, linewidth=1.2, linestyle="dotted")
    said = "The caption takes less than 5 % off the loss at every level."
    if found.matters_below_db is not None:
        said = (
            f"Below {number(found.matters_below_db, 0)} dB (dotted) the caption takes 5 % or more off the "
            "loss: there it is decided what is where. Above, the noisy picture itself tells more."
        )
    figure.supxlabel(said, fontsize=TEXT, color=GREY)
    return figure
