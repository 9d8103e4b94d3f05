"""Timesteps: which levels a sampler visits on its way from noise to a clean picture.

uniform       equal steps of t
trailing      the same in whole thousandths, from the last        Lin et al. 2023, table 2
leading       whole thousandths, ending at the first              Lin et al. 2023, table 2
shifted       more steps where there is much noise                Esser et al. 2024, eq. 23
karras        equal steps of (sigma / alpha)^(1/7)                Karras et al. 2022, eq. 5
exponential   equal steps of log(sigma / alpha)                   Lu et al. 2022
stock_flow    what diffusers' DPMSolverMultistepScheduler visits with `use_flow_sigmas`

A `trailing` run of a variance-preserving schedule is what diffusers' DDIMScheduler visits, as long as the
number of steps divides 1000 (elsewhere that scheduler steps to one level and denoises at its neighbour).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.diffusion.level import NoiseLevel, Schedule
from rhinoise.diffusion.schedules import LEAST, STEPS

RHO = 7
"""Karras et al. 2022, section 3: steps near the clean end are worth shortening this much."""

SHIFT = 3.0
"""Esser et al. 2024, section 5.3: the shift that people preferred."""

MOST_RATIO = 4096.0
"""Where `karras` and `exponential` begin to count on a schedule that starts at alpha = 0, infinitely far."""


def visit(schedule: Schedule, times: Float[Tensor, "n"]) -> list[NoiseLevel]:
    """The float32 levels at these times, noisiest first, and then the clean one: n + 1 levels of batch 1.

    Give float64 times to hit whole steps exactly: step i of diffusers is t = (i + 1) / 1000.
    """
    return _apart(schedule(torch.cat([times, times.new_zeros(1)])))


def _apart(visited: NoiseLevel) -> list[NoiseLevel]:
    visited = visited.to("cpu", torch.float32)
    return [visited[i : i + 1] for i in range(len(visited))]


def time_at(schedule: Schedule, ratio: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The time in [0, 1] at which sigma / alpha is `ratio`: any schedule inverted, by bisection."""
    low, high = torch.zeros_like(ratio, dtype=torch.float64), torch.ones_like(ratio, dtype=torch.float64)
    for _ in range(50):
        middle = (low + high) / 2
        below = schedule(middle).ratio.flatten() < ratio
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def _falling(steps: int) -> Float[Tensor, "n"]:
    """1, ..., 1 / steps: the ends of `steps` equal intervals."""
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1]


def _between_ratios(
    schedule: Schedule,
    steps: int,
    start: float,
    bend: Callable[[Tensor], Tensor],
    unbend: Callable[[Tensor], Tensor],
) -> list[NoiseLevel]:
    """Steps that are equal in bend(sigma / alpha), from `start` to the least time."""
    ends = torch.tensor([start, LEAST], dtype=torch.float64)
    high, low = bend(schedule(ends).ratio.flatten().double().clamp(max=MOST_RATIO))
    times = time_at(schedule, unbend(torch.lerp(high, low, torch.linspace(0, 1, steps, dtype=torch.float64))))
    times[0] = start
    return visit(schedule, times)


def uniform(schedule: Schedule, steps: int, start: float) -> list[NoiseLevel]:
    """Equal steps of t from `start` to 0."""
    return visit(schedule, start * _falling(steps))


def trailing(schedule: Schedule, steps: int, start: float) -> list[NoiseLevel]:
    """`uniform`, rounded to whole thousandths; the noisiest level is visited, the first step left out."""
    return visit(schedule, (STEPS * start * _falling(steps)).round() / STEPS)


def leading(schedule: Schedule, steps: int, start: float) -> list[NoiseLevel]:
    """Whole thousandths an equal whole number apart, from the first; the noisiest level is left out."""
    stride = int(STEPS * start) // steps
    return visit(schedule, (stride * torch.arange(steps - 1, -1, -1, dtype=torch.float64) + 1) / STEPS)


def shifted(schedule: Schedule, steps: int, start: float) -> list[NoiseLevel]:
    """`uniform`, with every t moved to SHIFT t / (1 + (SHIFT - 1) t)."""
    t = _falling(steps)
    return visit(schedule, start * SHIFT * t / (1 + (SHIFT - 1) * t))


def karras(schedule: Schedule, steps: int, start: float) -> list[NoiseLevel]:
    """Equal steps of (sigma / alpha)^(1/7) between the noisiest and the least noisy level."""
    return _between_ratios(schedule, steps, start, lambda r: r ** (1 / RHO), lambda u: u**RHO)


def exponential(schedule: Schedule, steps: int, start: float) -> list[NoiseLevel]:
    """Equal steps of log(sigma / alpha), that is of log-SNR, between the same two levels."""
    return _between_ratios(schedule, steps, start, torch.log, torch.exp)


def stock_flow(schedule: Schedule, steps: int, start: float) -> list[NoiseLevel]:
    """`uniform` from t = 0.999 with the clock cut to whole numbers, as stock diffusers pipelines have it."""
    # The rounding is theirs, to the last bit: 333 must be cut to 332 where they have 332.99999999999994.
    times = start * (1 - torch.from_numpy(np.linspace(1, LEAST, steps + 1)).flip(0))
    visited = schedule(times)
    return _apart(replace(visited, time=visited.time.floor()))


SPACINGS: dict[str, Callable[[Schedule, int, float], list[NoiseLevel]]] = {
    "uniform": uniform,
    "trailing": trailing,
    "leading": leading,
    "shifted": shifted,
    "karras": karras,
    "exponential": exponential,
    "stock_flow": stock_flow,
}


def levels(
    schedule: Schedule, steps: int, *, spacing: str = "uniform", start: float = 1.0
) -> list[NoiseLevel]:
    """The steps + 1 levels that a sampler visits in `steps` steps, noisiest first, the last one clean.

    Args:
        schedule: where the levels are taken from.
        steps: how many steps, at least 1.
        spacing: a name in SPACINGS.
        start: the time to begin at, in (0, 1]; below 1 for image-to-image, where it is the strength: all the
            steps are spent between `start` and 0. (diffusers instead skips the first steps of a whole run,
            which is `levels(schedule, steps)[steps - int(steps * strength) :]`.)

    Returns:
        Levels of batch 1, on the CPU; sigma of the last is exactly 0.

    Raises:
        UnknownNameError: no spacing has this name.
        ConfigError: `steps` or `start` is out of range, or two steps fall together.
    """
    if spacing not in SPACINGS:
        raise UnknownNameError("spacing", spacing, SPACINGS)
    if steps < 1:
        raise ConfigError(f"{steps} steps were asked for; it takes at least 1")
    if not 0 < start <= 1:
        raise ConfigError(f"a run cannot start at {start:g}: it starts in (0, 1], where 1 is pure noise")
    visited = SPACINGS[spacing](schedule, steps, start)
    ratio = torch.cat([level.ratio for level in visited]).flatten()
    if not bool((ratio[1:] < ratio[:-1]).all()):
        raise ConfigError(
            f"{steps} steps are too many for '{spacing}' spacing from {start:g}: some fall together"
        )
    return visited
