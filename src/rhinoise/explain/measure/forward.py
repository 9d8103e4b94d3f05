"""What is still seen of a picture as it drowns in noise, in pixels or in latents."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.files import finite
from rhinoise.core.random import noise_source
from rhinoise.core.shapes import Images, Latents
from rhinoise.diffusion.forward import DECIBELS, Frame, correlation
from rhinoise.diffusion.level import NoiseLevel, Schedule
from rhinoise.explain.measure.aspects import ASPECTS

GRID_DB = tuple(float(value) for value in range(30, -33, -3))
"""Where fading is measured: SNR in dB, from nearly clean to nearly noise."""
DRAWS = 4
"""Noises that a correlation is a mean over: one alone may agree with a picture's few cells by chance."""
PLAIN = 0.01
"""An aspect that varies less than this (of 2) is not there: correlations with it would mean nothing."""
HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is left of a picture at one level: correlations with the clean one, 1 is all and 0 nothing.

    None where the clean picture has nothing of the kind: no colours, no details.
    """

    snr_db: float
    whole: float | None
    aspects: Mapping[str, float | None]
    """Name in ASPECTS => correlation."""


def level_at(snr_db: float) -> NoiseLevel:
    """The variance-preserving level of that SNR, for batches of any size."""
    log_snr = torch.tensor(snr_db / DECIBELS)
    alpha, sigma = (torch.sigmoid(sign * log_snr).sqrt().reshape(1, 1, 1, 1) for sign in (1, -1))
    return NoiseLevel(alpha=alpha, sigma=sigma, time=log_snr.reshape(1))


def fading(
    x0: Float[Tensor, "1 c h w"],
    clean: Float[Tensor, "1 3 H W"],
    show: Callable[[Latents], Images],
    *,
    seed: int,
    decibels: Sequence[float] = GRID_DB,
) -> list[Seen]:
    """What is seen of `clean` at each SNR, when noise is added to `x0`, of which `show` makes pictures."""
    eps = noise_source(seed, range(DRAWS), x0.shape[1:])(0).to(x0)
    found = []
    for snr_db in decibels:
        pictures = show(level_at(snr_db).to(x0.device).add_noise(x0.expand_as(eps), eps))
        aspects = {name: alike(aspect(pictures), aspect(clean)) for name, aspect in ASPECTS.items()}
        found.append(Seen(snr_db=snr_db, whole=alike(pictures, clean), aspects=aspects))
    return found


def alike(found: Float[Tensor, "b c h w"], truth: Float[Tensor, "1 c h w"]) -> float | None:
    """The mean correlation with `truth`; None where that is plain."""
    truth = truth.to(found)
    if float(truth.std(correction=0)) < PLAIN:
        return None
    return float(correlation(found, truth.expand_as(found)).mean())


def half_gone(curve: Sequence[Seen], aspect: str) -> float | None:
    """The SNR in dB at which the correlation of an aspect falls to a half; None where it never does.

    `curve` runs from clean to noise; in between it is taken for straight.
    """
    for before, here in pairwise(curve):
        high, low = before.aspects[aspect], here.aspects[aspect]
        if high is not None and low is not None and high >= HALF > low:
            return before.snr_db + (high - HALF) / (high - low) * (here.snr_db - before.snr_db)
    return None


def decoded(frames: Sequence[Frame], schedule: Schedule, show: Callable[[Latents], Images]) -> list[Frame]:
    """A strip of latents as pictures, each level's brought to variance 1 first: what a decoder is used to.

    The correlations are with the first frame's picture, which is the clean one.
    """
    pictures = [
        show(frame.x / float(schedule(torch.tensor([frame.t], dtype=torch.float64)).std)) for frame in frames
    ]
    return [
        Frame(t=frame.t, x=picture, snr_db=frame.snr_db, correlation=correlation(picture, pictures[0]))
        for frame, picture in zip(frames, pictures, strict=True)
    ]


def power_db(x0: Latents) -> float | None:
    """10 log10 of the variance, which an SNR takes to be 1; None of a plain x0."""
    variance = float(reduce(x0, "b c h w -> b c", torch.var).mean())
    return 10 * math.log10(variance) if variance > 0 else None


@dataclass(frozen=True, kw_only=True)
class SnrCurve:
    """A schedule's SNR over time."""

    t: tuple[float, ...]
    snr_db: tuple[float | None, ...]
    """None where there is no image left at all."""
    even_t: float
    """The time from which on there is more noise than image."""
    last_snr_db: float | None
    """At t = 1; None for pure noise."""


def snr_curve(schedule: Schedule, points: int = 200) -> SnrCurve:
    """A schedule's SNR in dB at `points` equal steps of time up to 1; at 0 there is no noise."""
    t = torch.linspace(0, 1, points + 1, dtype=torch.float64)[1:]
    values = (DECIBELS * schedule(t).log_snr.flatten()).tolist()
    decibels = tuple(map(finite, values))
    noisy = (time for time, value in zip(t.tolist(), values, strict=True) if value <= 0)
    return SnrCurve(
        t=tuple(t.tolist()), snr_db=decibels, even_t=next(noisy, math.inf), last_snr_db=decibels[-1]
    )
