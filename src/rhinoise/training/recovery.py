"""A loss that leaves the numbers, or climbs back: when that is so, and where the training goes on from.

Everything here is a function of the steps and never of the clock, so that a training that was killed in the
midst of it goes the same way again.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rhinoise.core.errors import DeviceError, PlanError

WINDOW = 64
"""Losses whose median says where a training stands: half of them may be outliers."""
ANCHORS = 20
"""How many checkpoints of a training are made by its steps, for going back to."""
MOST = 3
"""How often a training goes back; then its settings are at fault."""
SLOWER = 0.5
"""What the learning rate is multiplied with whenever it goes back."""
GAME = ("adversarial", "critic")
"""Terms in which two players pull at each other: they rise and fall in the best of trainings."""


class Diverged(PlanError):
    """A loss that is no number, or that climbs."""

    def __init__(self, why: str, learning_rate: float) -> None:
        super().__init__(f"{why}: start again with a lower learning rate (now {learning_rate:g})")
        self.why = why


class Exhausted(DeviceError):
    """Memory that was enough when it was tried, and is not any more."""

    def __init__(self, step: int) -> None:
        super().__init__(
            f"memory ran out at step {step}: close other programs, and the same command goes on from the "
            "last checkpoint"
        )


class Watch:
    """Whether losses still go where they should.

    They diverge when the median of the last WINDOW is twice the best there was, and more than half the way
    back to the first: noise does neither, learning eight pictures by heart only the one, a slow start only
    the other.
    """

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=WINDOW)
        self.first: float | None = None
        self.best = math.inf

    def complaint(self, losses: Mapping[str, float], norm: float, step: int) -> str | None:
        """Take in what step number `step` gave, counted from 1 => why to go no further, if so."""
        for what, value in (("loss", losses["loss"]), ("gradient", norm)):
            if not math.isfinite(value):
                return f"the {what} is {value} at step {step}"
        self.recent.append(losses["loss"] - sum(losses.get(name, 0.0) for name in GAME))
        if len(self.recent) < WINDOW:
            return None
        now = statistics.median(self.recent)
        self.first = now if self.first is None else self.first
        self.best = min(self.best, now)
        if now > max(self.best + abs(self.best), (self.best + self.first) / 2):
            return f"the loss has climbed from {self.best:.3g} to {now:.3g} at step {step}"
        return None

    def memory(self) -> dict[str, Any]:
        """What a checkpoint keeps of it; nothing before it has seen anything."""
        return {"recent": list(self.recent), "first": self.first, "best": self.best}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Take up what `memory` gave."""
        self.recent = deque(memory["recent"], maxlen=WINDOW)
        self.first, self.best = memory["first"], memory["best"]


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A way back: from which step, to which, and why."""

    step: int
    to: int
    why: str

    def __str__(self) -> str:
        return f"{self.why}: back to step {self.to}, from there on with half the learning rate"


def anchors_every(steps: int) -> int:
    """How many steps lie between two checkpoints of those that are made by steps."""
    return max(WINDOW, math.ceil(steps / ANCHORS))


def anchors_kept(step: int, steps: int) -> set[int]:
    """The anchors that may still be gone back to, at `step`: the last two."""
    every = anchors_every(steps)
    last = step // every * every
    return {last, last - every}


def safe_step(step: int, steps: int, there: Iterable[int]) -> int:
    """Of the checkpoints that are there, the one to go back to from `step`.

    The last anchor that is older than what the median has seen, which may have been ill already; else the
    oldest one. Runs of earlier versions have no anchors.
    """
    every = anchors_every(steps)
    there = sorted(there)
    anchors = [one for one in there if one % every == 0] or there
    return max((one for one in anchors if one <= step - WINDOW), default=anchors[0])
