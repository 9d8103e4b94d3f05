"""How well a denoiser does at each noise level, on pictures that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rhinoise.core.shapes import Latents, TextEmbedding
from rhinoise.diffusion.level import Schedule
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.pipeline.errors import errors_by_level

TIMES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
BATCH = 64


@dataclass(frozen=True)
class LevelLoss:
    """Mean squared error at one time: of the network's own answer, and of the x0 that it stands for."""

    time: float
    log_snr: float
    answer: float
    x0: float


def loss_by_level(
    denoiser: Denoiser,
    schedule: Schedule,
    latents: Latents,
    text: TextEmbedding,
    *,
    times: Sequence[float] = TIMES,
) -> list[LevelLoss]:
    """The held-out loss by noise level; its noise depends on picture and time alone, so that runs compare."""
    found = []
    every = errors_by_level(denoiser, schedule, latents, {"caption": text}, times, batch=BATCH)
    for time, errors in zip(times, every, strict=True):
        log_snr = float(schedule(torch.tensor([time], device=latents.device)).log_snr)
        answer, x0 = errors["caption"].mean(dim=1).tolist()
        found.append(LevelLoss(time, log_snr, answer, x0))
    return found
