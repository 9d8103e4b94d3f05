"""How well a denoiser does at each noise level, on pictures that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rhinoise.core.random import noise_source
from rhinoise.core.shapes import Latents, TextEmbedding
from rhinoise.diffusion.level import Schedule
from rhinoise.pipeline.denoiser import Denoiser

TIMES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
BATCH = 64


@dataclass(frozen=True)
class LevelLoss:
    """Mean squared error at one time: of the network's own answer, and of the x0 that it stands for."""

    time: float
    log_snr: float
    answer: float
    x0: float


@torch.no_grad()
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
    for number, time in enumerate(times):
        level = schedule(torch.tensor([time], device=latents.device))
        errors = []
        for start in range(0, len(latents), BATCH):
            x0 = latents[start : start + BATCH]
            eps = noise_source(0, range(start, start + len(x0)), x0.shape[1:])(number).to(x0)
            x = level.add_noise(x0, eps)
            answer = denoiser.answer(x, level, text[start : start + BATCH])
            target = denoiser.prediction.target(level, x0, eps)
            guess = denoiser.prediction.x0(level, x, answer)
            errors.append(torch.stack([(answer - target) ** 2, (guess - x0) ** 2]).mean(dim=(2, 3, 4)))
        answer_error, x0_error = torch.cat(errors, dim=1).mean(dim=1).tolist()
        found.append(LevelLoss(time, float(level.log_snr), answer_error, x0_error))
    return found
