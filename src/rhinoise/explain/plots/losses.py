"""The losses of a training, step by step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rhinoise.explain.plots.style import BLUE, ORANGE, TEXT, dress, new_figure

SMOOTHED = 0.01
"""The part of a training over which its loss is averaged."""

LOSSES = {
    "autoencoder": "loss (weighted sum of its parts)",
    "text": "contrastive loss, and collapse (nats)",
    "denoiser": "mean squared error (latent variance 1)",
    "low-rank": "mean squared error (latent variance 1)",
}
"""Stage => what its loss is."""
HELD_OUT_OF = {"denoiser": "held out", "low-rank": "low-rank held out"}
"""Stage => what the log calls its looks at held-out pictures."""


def loss_figure(entries: Sequence[Mapping[str, Any]]) -> Figure:
    """The loss of every stage of a run's log, smoothed, and the denoisers' on held-out pictures.

    `entries` are the records of log.jsonl: `stage` and `step`, with `losses` for a step of training, with
    `loss` for a look at held-out pictures.
    """
    stages = [stage for stage in LOSSES if any(entry["stage"] == stage for entry in entries)]
    figure = new_figure(4.4 * max(1, len(stages)), 3.4)
    for axes, stage in zip(figure.subplots(1, max(1, len(stages)), squeeze=False)[0], stages, strict=False):
        steps, losses = _curve(entries, stage)
        smooth = smoothed(losses, SMOOTHED)
        axes.plot(steps, losses, color=BLUE, alpha=0.2, linewidth=0.7)
        axes.plot(steps, smooth, color=BLUE, linewidth=1.8, label="training, smoothed")
        tops = [smooth[len(smooth) // 20 :].max()]
        looks = [entry for entry in entries if entry["stage"] == HELD_OUT_OF.get(stage)]
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
        dress(axes, stage, "step", LOSSES[stage])
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set_ylim(0, 1.15 * max(tops))
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
