"""Few steps: a student goes in one step where its teacher went in several, and needs no guidance.

The teacher draws trajectories, from noise to a clean latent in many guided steps; the few levels that the
student is to visit are kept. The student starts at the same noise and draws as it will draw later; each place
it comes to is compared with where the teacher was. It is progressive distillation (Salimans & Ho 2022) in one
go, along whole trajectories, and of the guided prediction (Meng et al. 2023): it takes no pictures, and the
student needs one pass of the network a step where guidance takes two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rhinoise.core.errors import ConfigError
from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.level import NoiseLevel
from rhinoise.diffusion.samplers import ddim
from rhinoise.pipeline.denoiser import Denoiser
from rhinoise.training.batches import order
from rhinoise.training.fit import FitConfig

Losses = dict[str, Float[Tensor, ""]]

FIT = FitConfig(batch=8, learning_rate=5e-4, decay=0.9, ema_width=0.1)
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
    """The budget in trajectories that the student follows."""
    epochs: float = 4.0
    """How often it follows each: the teacher draws so many the fewer."""
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
class TrajectoryBatch:
    """Where the teacher was at each level, noise first, and what it was told."""

    states: Float[Tensor, "b s c h w"]
    text: TextEmbedding


@dataclass(frozen=True, kw_only=True)
class TrajectoryBatches:
    """Batches of kept trajectories, which come in parts of equal size."""

    parts: Sequence[Float[np.ndarray, "k s c h w"]]
    captions: Sequence[str]
    """What each trajectory was drawn for."""
    embed: Callable[[Sequence[str]], TextEmbedding]
    size: int
    seed: int

    def at(self, step: int) -> TrajectoryBatch:
        """The trajectories of one step."""
        each = len(self.parts[0])
        chosen = order(self.seed, len(self.captions), self.size, step)
        states = np.stack([self.parts[index // each][index % each] for index in chosen])
        return TrajectoryBatch(
            states=torch.from_numpy(states.astype(np.float32)),
            text=self.embed([self.captions[index] for index in chosen]),
        )


class DistillationTask(nn.Module):
    """Draw in a few steps what the teacher drew in many."""

    def __init__(self, student: Denoiser, levels: Sequence[NoiseLevel]) -> None:
        super().__init__()
        self.network, self.student, self.levels = student.network, student, levels

    def forward(self, batch: TrajectoryBatch) -> Losses:
        """The squared distance between student and teacher, a mean over levels."""
        start, *wanted = batch.states.unbind(1)
        visited = [level.to(start.device) for level in self.levels]
        steps = ddim(self.student.told(batch.text), start, visited)
        errors = [(step.x - x).square().mean() for step, x in zip(steps, wanted, strict=True)]
        return {"loss": torch.stack(errors).mean()}
