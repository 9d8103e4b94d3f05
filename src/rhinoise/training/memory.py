"""How many pictures of a batch are learnt from at a time: all of them where memory allows, and that is tried.

A batch in parts is the same batch, in the same order and with the same noise: its gradient differs by the
rounding of a sum.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rhinoise.core.backend import best_device, is_exhausted, trim_memory
from rhinoise.core.memory import Growth, free_memory, watched
from rhinoise.training.batches import Batches, in_parts
from rhinoise.training.fit import Fit, FitConfig

SHARE = 0.75
"""Of the free memory, what a training may plan with; the rest is for looks and for other programs."""
SURE = 2.0
"""How far below that an extrapolated need must stay to be believed untried."""
LEAST = 4
"""From how many pictures on a need is extrapolated to all of them."""
STATES = 5
"""What a training holds of each weight: itself, its average, its gradient, two moments."""
LAST = 99
"""The step whose batch is tried: by then all that a task does is being done."""


def fitting(task: nn.Module, batches: Batches, config: FitConfig) -> int:
    """How many of a batch's pictures fit into memory, from a few steps that are then forgotten; or 0.

    On a CPU by ever larger parts, each tried only if the last two promise that it fits: a system that runs
    out of memory does not say so, it kills. Elsewhere by ever smaller ones, until one does not fail.
    """

    def tried(part: int) -> bool:
        """Whether two steps on two such parts end well; the second meets the optimizer's moments."""
        few = Few(batches, min(2 * part, batches.size))
        try:
            fit = Fit(copy.deepcopy(task), few, config, steps=2, part=part)
            for step in range(fit.steps):
                fit.engine.step(in_parts(few.at(step), few.size, part), 0.0)
            return True
        except (RuntimeError, MemoryError) as error:
            if not is_exhausted(error):
                raise
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()
        return False

    if best_device().type != "cpu":
        return downwards(tried, batches.size)
    trim_memory()
    room = SHARE * free_memory()
    if STATES * sum(4 * parameter.numel() for parameter in task.parameters()) > room:
        return 0
    growth = Growth()

    def taken(part: int) -> float:
        with watched(growth):
            ended_well = tried(part)
        return float(growth.bytes) if ended_well else math.inf

    return upwards(taken, batches.size, room)


def upwards(taken: Callable[[int], float], batch: int, room: float) -> int:
    """The largest part of a batch, by doubling, that stays within `room` bytes; 0 when no picture does.

    `taken` tries a part and says how many bytes have been taken so far.
    """
    part, now = 1, taken(1)
    if now > room:
        return 0
    each = now
    while part < batch:
        if part >= LEAST and SURE * (now + each * (batch - part)) <= room:
            return batch
        larger = min(2 * part, batch)
        if now + each * (larger - part) > room or (then := taken(larger)) > room:
            return part
        part, now, each = larger, then, (then - now) / (larger - part)
    return batch


def downwards(tried: Callable[[int], bool], batch: int) -> int:
    """The first of the whole batch, its half, ... for which there is memory; 0 when there is none for one."""
    part = batch
    while not tried(part):
        if part == 1:
            return 0
        part = math.ceil(part / 2)
    return part


def even(part: int, batch: int) -> int:
    """The smallest part that cuts a batch into as few parts."""
    return math.ceil(batch / math.ceil(batch / part))


@dataclass(frozen=True)
class Few:
    """The first pictures of one batch, at every step."""

    batches: Batches
    size: int

    def at(self, step: int) -> Any:
        """The same at every step."""
        [(few, _), *_] = in_parts(self.batches.at(LAST), self.batches.size, self.size)
        return few
