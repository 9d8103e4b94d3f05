"""Histograms: how many there are of each kind."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rhinoise.data.doctor import Counts
from rhinoise.explain.plots.style import BLUE, GREY, TEXT, dress, new_figure


def counts_figure(counts: Counts, title: str, across: str, up: str) -> Figure:
    """Bars of a histogram, each with its number above it."""
    figure = new_figure(5.0, 2.9)
    axes = figure.subplots()
    bars = axes.bar(range(len(counts.counts)), counts.counts, width=0.8, color=BLUE)
    labels = [f"{count:,}" if count else "" for count in counts.counts]
    axes.bar_label(bars, labels, fontsize=TEXT - 1, color=GREY, padding=2)
    slanted = max(map(len, counts.labels)) * len(counts.labels) > 45
    axes.set_xticks(range(len(counts.labels)), counts.labels)
    dress(axes, title, across, up)
    if slanted:
        for label in axes.get_xticklabels():
            label.set(rotation=35, ha="right", rotation_mode="anchor")
    spare = max(0.0, (5 - len(counts.counts)) / 2)  # a single bar is no wall
    axes.set_xlim(-0.6 - spare, len(counts.counts) - 0.4 + spare)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_ylim(0, 1.12 * max(1, *counts.counts))
    return figure
