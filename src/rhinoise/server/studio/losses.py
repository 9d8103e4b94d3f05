"""How a training goes, as its run folder tells: a curve of the loss per stage, and samples through time."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rhinoise.server.store import Job
from rhinoise.server.studio import html
from rhinoise.storage.run_folder import RunFolder

WIDE, HIGH, POINTS = 320, 90, 120
"""Of a curve: its size, and how many means it is drawn from."""


def curves(folder: Path) -> str:
    """The loss of every stage so far; empty before the first step."""
    steps = [entry for entry in RunFolder(folder).entries() if "losses" in entry]
    drawn = [
        _curve(stage, [entry["losses"]["loss"] for entry in own])
        for stage, own in groupby(steps, key=lambda entry: entry["stage"])
    ]
    return f'<div class="curves">{"".join(drawn)}</div>' if drawn else ""


def samples(job: Job, folder: Path) -> str:
    """What was drawn along the way, under a slider; empty before the first sheet."""
    # `loss.png` says what the curves say.
    found = [path for path in RunFolder(folder).samples.glob("*.png") if path.name != "loss.png"]
    files = sorted(found, key=lambda path: path.stat().st_mtime)
    frames = [([html.address(job, f"samples/{path.name}")], _said(path.stem)) for path in files]
    return html.flip(frames, "Samples through time", at=len(frames) - 1) if frames else ""


def _said(stem: str) -> str:
    """The name of a sheet of samples, in words where it is a number of steps."""
    return f"after {int(stem):,} steps" if stem.isdecimal() else stem.replace("_", " ")


def _curve(stage: str, losses: Sequence[float]) -> str:
    """The loss of a stage, from its first step to its last so far."""
    each = -(-len(losses) // POINTS)
    parts = [losses[start : start + each] for start in range(0, len(losses), each)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    scale = HIGH / (high - low or 1)
    across = WIDE / max(1, len(means) - 1)
    points = " ".join(f"{place * across:.1f},{(high - mean) * scale:.1f}" for place, mean in enumerate(means))
    said = f"{stage}: loss {means[0]:.3g} at first, {means[-1]:.3g} after {len(losses)} steps"
    return (
        f'<figure><svg viewBox="-3 -3 {WIDE + 6} {HIGH + 6}" role="img" aria-label="{html.escape(said)}">'
        f'<polyline points="{points}"/></svg><figcaption>{html.escape(said)}</figcaption></figure>'
    )
