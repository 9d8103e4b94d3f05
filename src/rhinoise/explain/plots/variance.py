"""How reconstructions differ, from the picture and from each other, by how far it was noised."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from rhinoise.core.shapes import Images
from rhinoise.explain.measure.variance import VISIBLE, Variance, as_grey, deviation
from rhinoise.explain.plots.pictures import number, picture_rows, shown
from rhinoise.explain.plots.style import BLUE, GREY, ORANGE, TEXT, dress, new_figure

ROOM, FOOT, SIDE = 3.6, 0.7, 0.9
"""Inches below the pictures for the curve: in all, under it for its labels, and beside it."""
WHITE = 64.0
"""The deviation, of 255, that a map shows as white."""


def variance_figure(
    original: Float[Tensor, "1 3 H W"],
    survived: Float[Tensor, "1 3 H W"],
    results: Mapping[float, Images],
    found: Sequence[Variance],
    floor: float,
) -> Figure:
    """Strength by strength two results, the map of all results' spread, and below the distances as curves.

    Args:
        original: the picture.
        survived: what the autoencoder alone leaves of it.
        results: strength => its results.
        found: the numbers of each strength, in the same order.
        floor: the distance from `survived` to `original`.
    """
    nothing = as_grey(deviation(survived.repeat(2, 1, 1, 1)), WHITE)
    columns = [(original, survived, nothing)] + [
        (images[:1], images[1:2], as_grey(deviation(images), WHITE)) for images in results.values()
    ]
    sheet = picture_rows(
        f"One picture, noised and denoised {len(next(iter(results.values())))} times at each strength",
        [[shown(column[band]) for column in columns] for band in range(3)],
        ["one result", "another", f"spread (white: {WHITE:g})"],
        {
            "strength": ["the picture", *(f"{one.strength:g}" for one in found)],
            "from the picture": ["", *(number(one.mean_to_original, 0) for one in found)],
            "from each other": ["", *(number(one.to_each_other, 0) for one in found)],
        },
        room=ROOM,
    )
    half = sheet.across / 2
    axes, share = (
        sheet.axes(start + SIDE, sheet.down - ROOM + 0.6, half - SIDE - 0.3, ROOM - FOOT - 0.6)
        for start in (0.0, half)
    )
    strengths = [one.strength for one in found]
    _distances(axes, found, floor)
    share.plot(strengths, [100 * one.varying for one in found], "o-", color="black")
    dress(
        share,
        f"Pixels that vary by more than {VISIBLE} of 255",
        "strength (how far the picture was noised)",
        "share of all pixels (%)",
    )
    share.set(xlim=(0, 1.03), ylim=(0, None))
    return sheet.figure


def curve_figure(found: Sequence[Variance], floor: float) -> Figure:
    """The distances by strength alone, small."""
    figure = new_figure(5.0, 3.4)
    _distances(figure.subplots(), found, floor)
    return figure


def _distances(axes: Axes, found: Sequence[Variance], floor: float) -> None:
    """From the picture, with a band from nearest to farthest, and from each other."""
    strengths = [one.strength for one in found]
    axes.fill_between(
        strengths,
        [min(one.to_original) for one in found],
        [max(one.to_original) for one in found],
        color=BLUE,
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(strengths, [one.mean_to_original for one in found], "o-", color=BLUE, label="from the picture")
    axes.plot(strengths, [one.to_each_other for one in found], "s--", color=ORANGE, label="from each other")
    axes.axhline(floor, color=GREY, linewidth=1.2, linestyle="dotted", label="the autoencoder alone")
    exact, total = sum(one.replicas for one in found), sum(len(one.to_original) for one in found)
    dress(
        axes,
        f"Exact replicas: {exact} of {total}",
        "strength (how far the picture was noised)",
        "distance (RMS, of 255)",
    )
    axes.set(xlim=(0, 1.03), ylim=(0, None))
    axes.legend(frameon=False, fontsize=TEXT, loc="upper left")
