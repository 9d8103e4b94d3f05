"""What a workflow tells while it runs. Interfaces render these and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Said:
    """A sentence for the person."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a stage stands. `done` of `total` is in `unit`s."""

    stage: str
    done: int
    total: int
    unit: str = "step"
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What to show beside the bar: loss, images per second."""


@dataclass(frozen=True)
class Wrote:
    """A file that is there now."""

    path: Path


Event = Said | Progress | Wrote
