"""What a person can ask for: one frozen record, filled in by every interface."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.core.shapes import Images
from rhinoise.diffusion.samplers import SAMPLERS
from rhinoise.diffusion.timesteps import SPACINGS

MAX_STEPS = 1000
MAX_COUNT = 4096
OWN = ("prompt", "negative", "seed", "first", "count")
"""The fields in which requests that are drawn as one batch may differ."""


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How a model draws when nothing else is asked for."""

    sampler: str
    spacing: str
    steps: int
    guidance: float

    def __post_init__(self) -> None:
        _check(self.sampler, self.spacing, self.steps, self.guidance)


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """Pictures from a caption, from a caption and a picture, or inside a mask.

    A field that is None takes the model's own default. Picture i of a seed is the same however many are asked
    for, and in whatever batch it is drawn.
    """

    prompt: str
    negative: str = ""
    seed: int = 0
    first: int = 0
    """Index of the first picture."""
    count: int = 1
    steps: int | None = None
    guidance: float | None = None
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_rescale: float = 0.0
    sampler: str | None = None
    spacing: str | None = None
    image: Images | None = None
    """One picture "1 3 H W" to start from, at the model's size."""
    mask: Float[Tensor, "1 1 H W"] | None = None
    """1 where to draw, 0 where `image` stays."""
    strength: float = 1.0
    """How far `image` is noised before it is denoised, in (0, 1]; 1 starts from pure noise."""
    paste: bool = False
    """Put the picture's own pixels back outside the mask, instead of their reconstruction."""

    def __post_init__(self) -> None:
        _check(self.sampler, self.spacing, self.steps, self.guidance)
        if not 1 <= self.count <= MAX_COUNT:
            raise ConfigError(f"count is a number of pictures from 1 to {MAX_COUNT}, not {self.count}")
        if not 0 < self.strength <= 1:
            raise ConfigError(
                f"strength is above 0 (hardly changed) and at most 1 (all new), not {self.strength:g}"
            )
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"a seed is a whole number from 0 to 2^63 - 1, not {self.seed}")
        if any("\ud800" <= letter <= "\udfff" for letter in self.prompt + self.negative):
            raise ConfigError("a prompt holds bytes that are not UTF-8: type it in again")
        if self.mask is not None and self.image is None:
            raise ConfigError(
                "a mask says which part of a picture to draw anew: give the picture too (--image)"
            )
        if self.strength < 1 and self.image is None:
            raise ConfigError("strength says how far a picture is changed: give the picture too (--image)")


def alike(request: Any, own: Collection[str] = OWN) -> tuple[tuple[str, Any], ...]:
    """What requests that are drawn as one batch have in common, by field: a key to group them by.

    That is every field but their `own`; of `image` and `mask`, whether there is one. `request` is a
    GenerateRequest, or a record of more fields that becomes some.
    """
    settings = {
        field.name: getattr(request, field.name) for field in fields(request) if field.name not in own
    }
    given = {name: settings[name] is not None for name in ("image", "mask")}
    return tuple((settings | given).items())


def refuse_unlike(requests: Sequence[Any], own: Collection[str] = OWN) -> None:
    """ConfigError where requests differ in what they should have in common."""
    first, *others = (alike(request, own) for request in requests)
    for other in others:
        different = [name for (name, one), (_, its) in zip(first, other, strict=True) if one != its]
        if different:
            raise ConfigError(
                f"requests that differ in {', '.join(different)} cannot be drawn as one batch: draw them one "
                "after the other"
            )


def _check(sampler: str | None, spacing: str | None, steps: int | None, guidance: float | None) -> None:
    if sampler is not None and sampler not in SAMPLERS:
        raise UnknownNameError("sampler", sampler, SAMPLERS)
    if spacing is not None and spacing not in SPACINGS:
        raise UnknownNameError("spacing", spacing, SPACINGS)
    if steps is not None and not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"steps is a number from 1 to {MAX_STEPS}, not {steps}")
    if guidance is not None and not 0 <= guidance <= 100:
        raise ConfigError(f"guidance is from 0 (ignores the prompt) to 100, usually 1 to 8, not {guidance:g}")
