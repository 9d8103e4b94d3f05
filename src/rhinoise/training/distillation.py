"""Few steps: a student answers in one pass of the network what guidance makes of two.

The teacher draws, guided, in as few steps as the student will, and each place that it comes by is kept with
its answer there. The student learns these answers: the first stage of Meng et al. 2023, at the few levels
that count. It takes no pictures. Students that go where many steps of their teacher lead (Salimans & Ho 2022;
Song et al. 2023) were measured beside it, and drew worse: see docs/log.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import Latents, TextEmbedding
from rhinoise.diffusion.level import NoiseLevel
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.training.batches import order
from rhinoise.training.fit import FitConfig

Losses = dict[str, Float[Tensor, ""]]

FIT = FitConfig(batch=32, learning_rate=1e-3, decay=0.9, ema_width=0.1)
SAMPLER = "dpmpp_2m"
"""How both draw: of second order and without fresh noise, so that few steps go far."""


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """How a trained model is brought down to a few steps."""

    steps: int = 4
    """Steps of the student."""
    guidance: float | None = None
    """What the teacher is guided by and the student learns; None is what the model draws with."""
    minutes: float | None = 10.0
    """The budget in minutes, or None when it is one in images."""
    images: int | None = None
    """The budget in answers that the student learns from."""
    epochs: float = 4.0
    """How often it learns from each: the more often, the fewer the teacher gives."""
    fit: FitConfig = FIT

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 16:
            raise ConfigError(f"few steps are from 1 to 16, not {self.steps}")
        if (self.minutes is None) == (self.images is None):
            raise ConfigError("the budget of a distillation is in minutes or in images: give one of them")
        if (self.minutes or self.images or 0) <= 0:
            raise ConfigError("the budget of a distillation is above 0: --minutes 10, or --images 10000")
        if self.epochs < 1:
            raise ConfigError(f"an answer is learnt from at least once, not {self.epochs:g} times")


@dataclass(frozen=True)
class AnswerBatch:
    """What the teacher answered, guided: `x0` for `x` at level number `place`, told `text`."""

    x: Latents
    x0: Latents
    place: Int[Tensor, "b"]
    text: TextEmbedding


@dataclass(frozen=True, kw_only=True)
class AnswerBatches:
    """Batches from kept drawings, every step of every one of them once an epoch."""

    parts: Sequence[Shaped[np.ndarray, "k s 2 c h w"]]
    """For each step of each drawing where it stood and what was answered, in float16; equally many a part."""
    captions: Sequence[str]
    """What each was drawn for."""
    embed: Callable[[Sequence[str]], TextEmbedding]
    size: int
    seed: int

    def at(self, step: int) -> AnswerBatch:
        """The answers of one step."""
        each, steps = self.parts[0].shape[:2]
        rows, place = np.divmod(order(self.seed, len(self.captions) * steps, self.size, step), steps)
        kept = np.stack(
            [self.parts[row // each][row % each, one] for row, one in zip(rows, place, strict=True)]
        )
        x, x0 = torch.from_numpy(kept.astype(np.float32)).unbind(1)
        return AnswerBatch(
            x=x,
            x0=x0,
            place=torch.from_numpy(place),
            text=self.embed([self.captions[row] for row in rows]),
        )


class DistillationTask(nn.Module):
    """Answer as the guided teacher does."""

    def __init__(self, student: Denoiser, levels: Sequence[NoiseLevel]) -> None:
        super().__init__()
        self.network, self.student = student.network, student
        self.levels = NoiseLevel(
            alpha=torch.cat([level.alpha for level in levels]),
            sigma=torch.cat([level.sigma for level in levels]),
            time=torch.cat([level.time for level in levels]),
        )

    def forward(self, batch: AnswerBatch) -> Losses:
        """The squared distance of the two."""
        level = self.levels.to(batch.x.device)[batch.place]
        return {"loss": (self.student(batch.x, level, batch.text) - batch.x0).square().mean()}
