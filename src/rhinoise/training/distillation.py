"""Few steps: a student goes in one step where its teacher went in several, and needs no guidance.

The teacher draws trajectories, from noise to a clean latent in many guided steps, and the few levels that the
student is to visit are kept. The student learns to go from each of these places straight to the next. That is
progressive distillation (Salimans & Ho 2022) from many steps to few at once, of the guided prediction (Meng
et al. 2023): it takes no pictures, and the student needs one pass of the network a step, guidance two.
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
SAMPLER = "ddim"
"""How a student draws: straight from level to level, without fresh noise."""


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
    """The budget in steps of trajectories that the student learns from."""
    epochs: float = 4.0
    """How often it learns from each: the more often, the fewer the teacher draws."""
    fit: FitConfig = FIT

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 16:
            raise ConfigError(f"few steps are from 1 to 16, not {self.steps}")
        if (self.minutes is None) == (self.images is None):
            raise ConfigError("the budget of a distillation is in minutes or in images: give one of them")
        if (self.minutes or self.images or 0) <= 0:
            raise ConfigError("the budget of a distillation is above 0: --minutes 10, or --images 10000")
        if self.epochs < 1:
            raise ConfigError(f"a trajectory is followed at least once, not {self.epochs:g} times")


@dataclass(frozen=True)
class SegmentBatch:
    """Steps to learn: from `x` at level number `place` to `wanted` at the next, told `text`."""

    x: Latents
    wanted: Latents
    place: Int[Tensor, "b"]
    text: TextEmbedding


@dataclass(frozen=True, kw_only=True)
class SegmentBatches:
    """Batches from kept trajectories, every step of every one of them once an epoch."""

    parts: Sequence[Shaped[np.ndarray, "k s c h w"]]
    """Trajectories by level, noise first, in float16; all parts hold equally many."""
    captions: Sequence[str]
    """What each trajectory was drawn for."""
    embed: Callable[[Sequence[str]], TextEmbedding]
    size: int
    seed: int

    def at(self, step: int) -> SegmentBatch:
        """The segments of one step."""
        each, levels = self.parts[0].shape[:2]
        chosen = order(self.seed, len(self.captions) * (levels - 1), self.size, step)
        rows, place = np.divmod(chosen, levels - 1)
        ends = np.stack(
            [
                self.parts[row // each][row % each, first : first + 2]
                for row, first in zip(rows, place, strict=True)
            ]
        )
        x, wanted = torch.from_numpy(ends.astype(np.float32)).unbind(1)
        return SegmentBatch(
            x=x,
            wanted=wanted,
            place=torch.from_numpy(place),
            text=self.embed([self.captions[row] for row in rows]),
        )


class DistillationTask(nn.Module):
    """Go in one step where the teacher went in several."""

    def __init__(self, student: Denoiser, levels: Sequence[NoiseLevel]) -> None:
        super().__init__()
        self.network, self.student = student.network, student
        self.levels = NoiseLevel(
            alpha=torch.cat([level.alpha for level in levels]),
            sigma=torch.cat([level.sigma for level in levels]),
            time=torch.cat([level.time for level in levels]),
        )

    def forward(self, batch: SegmentBatch) -> Losses:
        """The squared distance between where the student arrives and where the teacher was."""
        visited = self.levels.to(batch.x.device)
        here, there = visited[batch.place], visited[batch.place + 1]
        x0 = self.student(batch.x, here, batch.text)
        arrived = there.add_noise(x0, here.noise_in(batch.x, x0))
        return {"loss": (arrived - batch.wanted).square().mean()}
