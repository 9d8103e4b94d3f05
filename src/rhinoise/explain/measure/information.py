"""Where a picture's information is decided: the loss by noise level, with and without what a caption says.

How many nats a caption tells about a picture is an integral over noise levels of what it takes off the
denoiser's error (Guo et al. 2005, theorem 1; Kong et al. 2023): with s = alpha^2 / sigma^2,

    I = 1/2 integral of (error of x0, told nothing - error of x0, told the caption) ds

in squared error over all numbers of the latent. In terms of log s the integrand is s times the difference,
which for the eps that the errors stand for is just the difference of the losses. A network is no perfect
denoiser: these are its nats, not the data's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.forward import DECIBELS
from rhinoise.diffusion.level import Schedule
from rhinoise.diffusion.timesteps import time_at

GRID_DB = (24.0, 18.0, 12.0, 6.0, 0.0, -4.0, -8.0, -12.0, -16.0, -20.0, -24.0, -28.0, -32.0, -40.0)
"""SNR in dB; closer together where captions matter."""
BATCH = 16
"""Pictures that the denoiser sees at a time."""
MATTERS = 0.05
"""The part of the loss that a caption must take off to be said to matter."""
TOLD = ("its caption", "another caption", "nothing")


@dataclass(frozen=True, kw_only=True)
class LevelInformation:
    """One noise level; what is told is one of TOLD."""

    time: float
    snr_db: float
    answer: Mapping[str, float]
    """Told => mean squared error of the network's own answer, the training's loss."""
    x0: Mapping[str, float]
    """Told => mean squared error of the predicted x0 (latent variance 1)."""
    nats_per_db: float
    """What the caption tells here: nats a picture and decibel, a mean over pictures."""
    nats_error: float
    """Its standard error."""


@dataclass(frozen=True, kw_only=True)
class Information:
    """All levels, from clean to noise, and their sum."""

    levels: tuple[LevelInformation, ...]
    nats: float
    """What a caption tells of its picture, in nats: the integral over these levels."""
    nats_error: float
    noisy_nats: float
    """The part of it below an SNR of 0 dB: of what is where. The rest is of how it is drawn."""
    noisy_nats_error: float
    matters_below_db: float | None
    """The SNR below which the caption takes at least MATTERS off the loss; None where it never does."""


def times_of(schedule: Schedule, decibels: Sequence[float] = GRID_DB) -> Float[Tensor, "n"]:
    """The times at which a schedule has these SNRs; those that it does not reach are left out."""
    wanted = torch.tensor(decibels, dtype=torch.float64)
    times = time_at(schedule, torch.exp(-wanted / DECIBELS / 2))
    reached = DECIBELS * schedule(times).log_snr.flatten()
    return times[(reached - wanted).abs() < 0.5]


def another(captions: Sequence[str]) -> list[int] | None:
    """For each caption the place of the next one that says something else; None where all are one."""
    count = len(captions)
    places = []
    for place, caption in enumerate(captions):
        ahead = ((place + step) % count for step in range(1, count))
        found = next((other for other in ahead if captions[other] != caption), None)
        if found is None:
            return None
        places.append(found)
    return places


def summed(
    schedule: Schedule,
    times: Float[Tensor, "n"],
    errors: Sequence[Mapping[str, Float[Tensor, "2 b"]]],
    numbers: int,
) -> Information:
    """The levels' means, and the integral of what a caption tells; `numbers` are those of one latent."""
    log_snr = schedule(times.double()).log_snr.flatten()
    own, _, nothing = TOLD
    gains = torch.stack([each[nothing][1] - each[own][1] for each in errors]).double()
    # Nats per nat of log-SNR, a row per level and a column per picture.
    density = 0.5 * numbers * log_snr.exp()[:, None] * gains
    widths = (log_snr[:-1] - log_snr[1:])[:, None]
    pieces = widths * (density[:-1] + density[1:]) / 2
    whole, noisy = pieces.sum(0), pieces[log_snr[:-1] <= 0].sum(0)
    levels = tuple(
        LevelInformation(
            time=float(times[row]),
            snr_db=float(DECIBELS * log_snr[row]),
            answer={name: float(values[0].mean()) for name, values in each.items()},
            x0={name: float(values[1].mean()) for name, values in each.items()},
            nats_per_db=float(density[row].mean() / DECIBELS),
            nats_error=standard_error(density[row]) / DECIBELS,
        )
        for row, each in enumerate(errors)
    )
    return Information(
        levels=levels,
        nats=float(whole.mean()),
        nats_error=standard_error(whole),
        noisy_nats=float(noisy.mean()),
        noisy_nats_error=standard_error(noisy),
        matters_below_db=matters_below(levels),
    )


def standard_error(values: Float[Tensor, "b"]) -> float:
    """Of a mean; 0 of a single value."""
    return float(values.std() / len(values) ** 0.5) if len(values) > 1 else 0.0


def matters_below(levels: Sequence[LevelInformation]) -> float | None:
    """Where the part that the caption takes off the loss falls under MATTERS, coming from the noise."""
    own, _, nothing = TOLD
    shares = [(level.snr_db, 1 - level.answer[own] / level.answer[nothing]) for level in reversed(levels)]
    for (at, share), (cleaner, less) in pairwise(shares):
        if share >= MATTERS > less:
            return at + (share - MATTERS) / (share - less) * (cleaner - at)
    return None


Embed = Callable[[Sequence[str]], TextEmbedding]


def told_of(captions: Sequence[str], embed: Embed) -> dict[str, TextEmbedding]:
    """What is told of each picture, by name in TOLD; without "another caption" where there is but one."""
    own = embed(captions)
    found = {TOLD[0]: own}
    places = another(captions)
    if places is not None:
        found[TOLD[1]] = own[places]
    return found | {TOLD[2]: embed([""]).repeat(len(captions))}
