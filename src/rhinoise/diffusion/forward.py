"""The forward process: the Markov chain of small steps that drowns a picture, and its closed form."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError
from rhinoise.core.random import NoiseSource
from rhinoise.core.shapes import Latents, Times
from rhinoise.diffusion.level import NoiseLevel, Schedule
from rhinoise.diffusion.schedules import STEPS

DECIBELS = 10 / math.log(10)
"""Decibels in a nat of power."""


@dataclass(frozen=True)
class Frame:
    """One picture of the forward strip: a batch at time t, and how much of it is left."""

    t: float
    x: Latents
    snr_db: float
    """10 log10(alpha^2 / sigma^2): inf for the clean picture, -inf for pure noise."""
    correlation: Float[Tensor, "b"]
    """Pearson's correlation of each noisy picture with its original."""


def marginal(schedule: Schedule, x0: Latents, t: Times, eps: Latents) -> Latents:
    """The closed form q(x_t | x_0): all the steps up to `t` at once (Ho et al. 2020, eq. 4)."""
    return schedule(t).add_noise(x0, eps)


def step(x: Latents, here: NoiseLevel, there: NoiseLevel, eps: Latents) -> Latents:
    """One step q(x_there | x_here) of the chain, to a noisier level (Ho et al. 2020, eq. 2).

    Scaling the picture by alpha_there / alpha_here scales its noise too; `eps` fills up what is missing
    (Kingma et al. 2021, appendix A).
    """
    scale = there.alpha / here.alpha
    # At equal levels rounding may leave a variance of -1e-8.
    added = (there.sigma**2 - (scale * here.sigma) ** 2).clamp(min=0).sqrt()
    return scale * x + added * eps


def chain(x0: Latents, levels: Sequence[NoiseLevel], noise: NoiseSource) -> Iterator[Latents]:
    """The Markov chain: `x0` at `levels[0]`, which is clean, then one noisier latent for every further level.

    Args:
        x0: clean latents.
        levels: from clean to noisy, on the device of `x0`; `every_level` gives those of a schedule.
        noise: fresh noise for each step, numbered from 0.
    """
    x = x0
    yield x
    for i, (here, there) in enumerate(pairwise(levels)):
        x = step(x, here, there, noise(i))
        yield x


def every_level(schedule: Schedule, steps: int = STEPS) -> list[NoiseLevel]:
    """The steps + 1 levels of the forward chain, from clean (t = 0) to noise (t = 1), equal steps of t."""
    visited = schedule(torch.linspace(0, 1, steps + 1, dtype=torch.float64)).to("cpu", torch.float32)
    return [visited[i : i + 1] for i in range(steps + 1)]


def correlation(x: Latents, y: Latents) -> Float[Tensor, "b"]:
    """Pearson's correlation over the values of each picture, in [-1, 1]."""
    x, y = (z.flatten(1) - z.flatten(1).mean(1, keepdim=True) for z in (x, y))
    return torch.nn.functional.cosine_similarity(x, y, dim=1)


def forward_strip(
    x0: Latents, schedule: Schedule, frames: int, noise: NoiseSource, *, steps: int = STEPS
) -> list[Frame]:
    """`frames` pictures from one walk of the chain, in equal steps of t from the clean one to t = 1.

    Args:
        x0: clean latents or images, one or several.
        schedule: what decides how fast they drown.
        frames: how many pictures to keep, at least 2.
        noise: fresh noise for each of the `steps` steps.
        steps: the length of the whole chain.

    Raises:
        ConfigError: fewer than 2 frames, or more than the chain has steps.
    """
    if not 2 <= frames <= steps + 1:
        raise ConfigError(f"{frames} frames were asked for; a chain of {steps} steps has 2 to {steps + 1}")
    levels = [level.to(x0.device) for level in every_level(schedule, steps)]
    wanted = {round(i * steps / (frames - 1)) for i in range(frames)}
    return [
        Frame(
            t=i / steps,
            x=x,
            snr_db=DECIBELS * float(levels[i].log_snr),
            correlation=correlation(x, x0),
        )
        for i, x in enumerate(chain(x0, levels, noise))
        if i in wanted
    ]
