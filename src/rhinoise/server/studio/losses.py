"""How a training goes, as its run folder tells: a curve of the loss per stage, and samples through time."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rhinoise.server.store import Job
from rhinoise.server.studio import html
from rhinoise.storage.run_folder import RunFolder

WIDE, HIGH, POINTS = 320, 90, 120
"""Of a curve: its size, and how many means it is drawn from."""


def shown(job: Job, folder: Path) -> str:
    """Curves and samples; empty as long as there is neither."""
    run = RunFolder(folder)
    steps = [entry for entry in run.entries() if "losses" in entry]
    curves = [
        _curve(stage, [entry["losses"]["loss"] for entry in own])
        for stage, own in groupby(steps, key=lambda entry: entry["stage"])
    ]
    files = sorted(run.samples.glob("*.png"), key=lambda path: path.stat().st_mtime)
    frames = [([html.address(job, f"samples/{path.name}")], path.stem) for path in files]
    samples = html.flip(frames, "Samples through time", at=len(frames) - 1) if frames else ""
    return (f'<div class="curves">{"".join(curves)}</div>' if curves else "") + samples


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
