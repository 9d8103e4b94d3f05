"""The minutes that a curve of quality needs to come as far as another one is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
"""Minutes spent, and what was measured after them."""


@dataclass(frozen=True)
class Reached:
    """`minutes` to a target; where it is not `reached`, the last that were looked at."""

    minutes: float
    reached: bool

    def times(self, other: float) -> str:
        """How many times as long as `other` minutes, in words: "7.1 x", or "> 5 x"."""
        return f"{'' if self.reached else '> '}{self.minutes / other:.1f} x"


def reach(curve: Sequence[Point], target: float, *, higher: bool) -> Reached:
    """When a curve first is as good as `target`; straight lines over the logarithm of the minutes.

    A curve that is as good at its first point is said to need that point's minutes: nothing is known before.
    """
    sign = 1 if higher else -1
    before: Point | None = None
    for minutes, value in sorted(curve):
        if sign * (value - target) >= 0:
            if before is None or value == before[1]:
                return Reached(minutes, True)
            part = (target - before[1]) / (value - before[1])
            return Reached(math.exp(math.log(before[0]) * (1 - part) + math.log(minutes) * part), True)
        before = minutes, value
    return Reached(max(minutes for minutes, _ in curve), False)
