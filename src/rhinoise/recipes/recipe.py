"""A recipe: everything that decides what a training makes of a data set, as one frozen record."""

import math
from dataclasses import dataclass
from typing import Literal

from rhinoise.core.errors import ConfigError, PlanError
from rhinoise.core.images import Fit
from rhinoise.diffusion.objective import ObjectiveConfig
from rhinoise.diffusion.schedules import ScheduleConfig
from rhinoise.nets.autoencoder import AutoencoderConfig, IdentityConfig
from rhinoise.nets.contrastive import ContrastiveConfig
from rhinoise.nets.discriminator import DiscriminatorConfig
from rhinoise.nets.patch_autoencoder import PatchAutoencoderConfig
from rhinoise.nets.text import TextConfig
from rhinoise.nets.transformer import TransformerConfig
from rhinoise.nets.unet import UNetConfig
from rhinoise.nets.uvit import UViTConfig
from rhinoise.pipeline.request import SamplingConfig
from rhinoise.training.distillation import DistillationConfig
from rhinoise.training.fit import FitConfig
from rhinoise.training.low_rank import AdaptConfig
from rhinoise.training.tasks import AutoencoderLosses, TextTraining


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How pictures and captions are read."""

    fit: Fit = "pad"
    background: tuple[int, int, int] = (255, 255, 255)
    captions: str = "auto"
    """Where a folder's captions come from: a name in `data.folder.CAPTIONS`."""
    caption_lines: bool = False
    """Each line of a sidecar is a caption of its own."""
    held_out: float = 0.05
    """The part of the pictures that is not learnt from, at most half."""

    def __post_init__(self) -> None:
        if not 0 <= self.held_out <= 0.5:
            raise ConfigError(f"held_out is a part of the pictures from 0 to 0.5, not {self.held_out:g}")


@dataclass(frozen=True, kw_only=True)
class FrozenTextConfig:
    """A text encoder that is not trained here: a name in FROZEN_TEXT, a folder, or a model on the hub."""

    model: str
    context: int = 16
    hub: bool = False


Stage = Literal["autoencoder", "text", "denoiser", "total"]


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How a budget is divided over the stages; whatever a stage leaves goes to the denoiser."""

    autoencoder: float
    text: float
    denoiser: float

    def __post_init__(self) -> None:
        if abs(self.autoencoder + self.text + self.denoiser - 1) > 1e-6:
            raise ConfigError(
                "the shares of the stages add up to 1; these add up to "
                f"{self.autoencoder + self.text + self.denoiser:g}"
            )


def check_size(size: int, of: int) -> None:
    """PlanError unless `size` is a multiple of what the recipe's parts divide it by."""
    if size < of or size % of:
        below = max(size // of, 1) * of
        raise PlanError(
            f"--size {size} is not a multiple of {of}, as this recipe wants: take {below} or {below + of}"
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A complete, named configuration."""

    name: str
    size: int
    """Height and width of the pictures, in pixels."""
    minutes: float | None
    """The budget in minutes, or None when it is one in images."""
    images: int | None
    """The budget in pictures seen by the denoiser; the other stages get theirs by their shares."""
    data: DataConfig
    autoencoder: AutoencoderConfig | PatchAutoencoderConfig | IdentityConfig
    text: TextConfig | FrozenTextConfig
    text_training: TextTraining
    contrastive: ContrastiveConfig
    network: UNetConfig | TransformerConfig | UViTConfig
    prediction: str
    schedule: ScheduleConfig
    objective: ObjectiveConfig
    caption_dropout: float
    losses: AutoencoderLosses
    discriminator: DiscriminatorConfig | None
    """The critic, where `losses.adversarial` is not 0."""
    fit_autoencoder: FitConfig
    fit_text: FitConfig
    fit_denoiser: FitConfig
    shares: Shares
    sampling: SamplingConfig
    adapt: AdaptConfig | None = None
    """How the denoiser is changed that a training starts from; None: every part starts at random."""
    distillation: DistillationConfig | None = None
    """A last stage, with a budget of its own: a second model that draws in a few steps."""
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.images is None):
            raise ConfigError(
                "the budget of a training is in minutes or in images, one of them: --minutes 10, or "
                "--images 100000"
            )
        if any(budget is not None and budget <= 0 for budget in (self.minutes, self.images)):
            raise ConfigError("the budget of a training is above 0: --minutes 10, or --images 100000")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"a seed is a whole number from 0 to 2^63 - 1, not {self.seed}")
        if not 0 <= self.caption_dropout < 1:
            raise ConfigError(
                "caption_dropout is the part of captions that is hidden, from 0 to below 1, not "
                f"{self.caption_dropout:g}"
            )

    def seconds_for(self, stage: Stage) -> float:
        """The stage's share of a budget in minutes, in seconds; "total" is all of it."""
        assert self.minutes is not None
        return 60 * self.minutes * (1.0 if stage == "total" else getattr(self.shares, stage))

    def images_for(self, stage: Stage) -> int | None:
        """The stage's part of a budget in pictures, by its share; None when the budget is one in minutes."""
        if self.images is None:
            return None
        return math.ceil(self.images * getattr(self.shares, stage) / self.shares.denoiser)
