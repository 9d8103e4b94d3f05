"""A space of pictures: its points by colour, and how often neighbours share a label."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rhinoise.explain.measure.survey import Survey
from rhinoise.explain.plots.style import BLUE, EDGE, GREY, ORANGE, SIX, TEXT, TITLE, new_figure

KINDS = {
    "concept": "the same thing,\nin another style",
    "group": "the same group",
    "style": "the same style",
}
"""Kind of label => what neighbours share."""


def purity_figure(surveys: Sequence[Survey], *, styles: bool) -> Figure:
    """How often the nearest neighbour shares a label, by space; with chance and one standard error."""
    kinds = [kind for kind in surveys[0].purity if any(s.purity[kind] for s in surveys)]
    names = [survey.space for survey in surveys]
    figure = new_figure(1.9 + 1.7 * len(kinds), 0.9 + 0.32 * len(names))
    for axes, kind in zip(figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0], kinds, strict=True):
        found = [(place, survey.purity[kind]) for place, survey in enumerate(surveys)]
        known = [(place, purity) for place, purity in found if purity is not None]
        places = [place for place, _ in known]
        axes.barh(places, [100 * purity.value for _, purity in known], height=0.62, color=BLUE)
        axes.errorbar(
            [100 * purity.value for _, purity in known],
            places,
            xerr=[100 * purity.error for _, purity in known],
            fmt="none",
            ecolor=GREY,
            elinewidth=1.2,
        )
        chance = [100 * purity.chance for _, purity in known]
        axes.scatter(chance, places, marker="|", s=160, color=ORANGE, linewidth=2, zorder=3)
        title = KINDS.get(kind, kind) if styles else f"the same {kind}"
        axes.set_title(title, fontsize=TEXT, loc="left")
        axes.set_xlabel("% of pictures", fontsize=TEXT)
        axes.set_xlim(0, None)
        axes.tick_params(labelsize=TEXT, length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis() if not axes.yaxis_inverted() else None
    return figure


def clouds_figure(
    clouds: Sequence[tuple[str, Float[np.ndarray, "n k"]]], labels: Sequence[str], *, title: str = ""
) -> Figure:
    """The same pictures in several spaces, or in one at several moments: the first two axes of each.

    The commonest labels have SIX colours; the others are grey.
    """
    common = [name for name, _ in Counter(label for label in labels if label).most_common(len(SIX))]
    colour = dict(zip(common, SIX, strict=False))
    rows = -(-len(clouds) // 3)
    columns = -(-len(clouds) // rows)
    figure = new_figure(2.3 * columns, 2.45 * rows + 0.3 + 0.2 * (title != ""))
    if title:
        figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")
    for axes, (name, points) in zip(figure.subplots(rows, columns, squeeze=False).flat, clouds, strict=False):
        axes.scatter(
            points[:, 0], points[:, 1], s=5, linewidths=0, c=[colour.get(label, EDGE) for label in labels]
        )
        axes.set_title(name, fontsize=TEXT, loc="left")
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set(color=EDGE)
    for axes in figure.axes[len(clouds) :]:
        axes.set_visible(False)
    marks = [
        Line2D([], [], marker="o", linestyle="", markersize=5, color=colour[name], label=name)
        for name in common
    ]
    if marks:
        figure.legend(
            handles=marks,
            loc="outside lower center",
            ncols=min(columns, len(marks)),
            frameon=False,
            fontsize=TEXT,
        )
    return figure
