"""The chapter of loss curves: how wrong the guesses were, on pictures learnt from and on others."""

from collections.abc import Mapping, Sequence
from typing import Any

from rhinoise.explain.chapters.training import WORK
from rhinoise.explain.pages.page import svg
from rhinoise.explain.plots.losses import HELD_OUT_OF, LOSSES, loss_figure
from rhinoise.explain.report import Block, Chapter, Drawing, Drawings, Missing, Words, left_out

POINTS = 240
"""Of a loss curve: each is the mean of what lies between two of them."""
Entries = Sequence[Mapping[str, Any]]


def loss_chapter(
    entries: Entries, looks: Sequence[tuple[int, float]], alike: tuple[float, float] | None
) -> Chapter:
    """The curve of every stage.

    Args:
        entries: the records of the log.
        looks: step and loss on held-out pictures.
        alike: the final loss on training and on held-out pictures, measured alike; None: not measured.
    """
    title, about = (
        "How it learnt",
        "The loss says how wrong the guesses are: the lower, the better. It falls fast at first, when "
        "everything is new, and slower and slower later.",
    )
    stages = [stage for stage in LOSSES if any(entry["stage"] == stage for entry in entries)]
    if not stages:
        return left_out("loss", title, about, "There is no log of this training.")
    figures = []
    for stage in stages:
        own = [entry for entry in entries if entry["stage"] == stage]
        held = [entry for entry in entries if entry["stage"] == HELD_OUT_OF.get(stage)]
        first, last = (sum(part) / len(part) for part in _ends([entry["losses"]["loss"] for entry in own]))
        said = (
            f"The stage “{stage}” {WORK[stage]}. Its loss went from {first:.3g} to {last:.3g} in "
            f"{own[-1]['step']:,} steps."
        )
        figures.append(Drawing(svg(loss_figure([*thinned(own), *held])), said))
    blocks: list[Block] = [Drawings(figures)]
    if looks:
        blocks.insert(0, Words(_looked(looks)))
    else:
        blocks.append(
            Missing("The denoiser was not yet looked at, so there is no loss on held-out pictures.")
        )
    if alike:
        blocks.append(Words(_alike(*alike)))
    return Chapter(
        name="loss",
        title=title,
        about=about,
        blocks=blocks,
        numbers={
            "held_out": [{"step": step, "loss": loss} for step, loss in looks],
            "training": {stage: _last(entries, stage) for stage in stages},
            "measured_alike": {"learnt": alike[0], "held_out": alike[1]} if alike else None,
        },
    )


def thinned(entries: Entries) -> list[dict[str, Any]]:
    """A curve of at most POINTS points, each the mean of its part of the steps."""
    width = -(-len(entries) // POINTS)
    parts = [entries[start : start + width] for start in range(0, len(entries), width)]
    return [
        {
            "stage": part[0]["stage"],
            "step": part[-1]["step"],
            "losses": {"loss": sum(entry["losses"]["loss"] for entry in part) / len(part)},
        }
        for part in parts
    ]


def _ends(losses: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The first and the last twentieth."""
    width = max(1, len(losses) // 20)
    return losses[:width], losses[-width:]


def _last(entries: Entries, stage: str) -> float:
    part = _ends([entry["losses"]["loss"] for entry in entries if entry["stage"] == stage])[1]
    return sum(part) / len(part)


def _looked(looks: Sequence[tuple[int, float]]) -> str:
    first, last = looks[0], looks[-1]
    if len(looks) == 1:
        return f"On pictures that the denoiser had never seen its loss was {last[1]:.3f} at step {last[0]:,}."
    fell = 1 - last[1] / first[1]
    change = f"{fell:.0%} lower" if fell >= 0 else f"{-fell:.0%} higher"
    best = min(looks, key=lambda look: look[1])
    lowest = "" if best == last else f" It was lowest, {best[1]:.3f}, at step {best[0]:,}."
    return (
        f"The orange points are what counts: pictures that the denoiser had never seen. Its loss on them was "
        f"{first[1]:.3f} at step {first[0]:,} and {last[1]:.3f} at step {last[0]:,}, {change}.{lowest}"
    )


def _alike(learnt: float, held_out: float) -> str:
    more = held_out / learnt - 1
    verdict = (
        "so it knows what pictures have in common, not only those that it met"
        if more < 0.1
        else "so it knows its own pictures better than others"
    )
    return (
        f"Measured in the same way at the end, the loss is {learnt:.3f} on pictures that it has learnt from "
        f"and {held_out:.3f} on others, {abs(more):.0%} {'more' if more >= 0 else 'less'}: {verdict}. (The "
        "blue curve is no comparison: it mixes noise levels in another way, and hides some captions.)"
    )
