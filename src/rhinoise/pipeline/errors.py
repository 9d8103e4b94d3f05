"""How wrong a denoiser is about each picture, by noise level."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from rhinoise.core.random import noise_source
from rhinoise.core.shapes import Latents, TextEmbedding
from rhinoise.diffusion.level import Schedule
from rhinoise.pipeline.denoiser import Denoiser


@torch.no_grad()
def errors_by_level(
    denoiser: Denoiser,
    schedule: Schedule,
    latents: Latents,
    told: Mapping[str, TextEmbedding],
    times: Sequence[float],
    *,
    batch: int,
) -> Iterator[Mapping[str, Float[Tensor, "2 b"]]]:
    """At each time, told => each picture's mean squared error of the answer and of x0, on the CPU.

    The noise depends on picture and level alone, so all that is told is told of the same noisy latents, and
    two denoisers compare. They see `batch` pictures at a time.
    """
    for number, time in enumerate(times):
        level = schedule(torch.tensor([time], device=latents.device))
        found: dict[str, list[Tensor]] = {name: [] for name in told}
        for start in range(0, len(latents), batch):
            x0 = latents[start : start + batch]
            eps = noise_source(0, range(start, start + len(x0)), x0.shape[1:])(number).to(x0)
            x = level.add_noise(x0, eps)
            target = denoiser.prediction.target(level, x0, eps)
            for name, text in told.items():
                answer = denoiser.answer(x, level, text[start : start + batch])
                guess = denoiser.prediction.x0(level, x, answer)
                squares = torch.stack([(answer - target) ** 2, (guess - x0) ** 2])
                found[name].append(squares.mean(dim=(2, 3, 4)).cpu())
        yield {name: torch.cat(parts, dim=1) for name, parts in found.items()}
