"""What can be asked for, checked as it arrives: a model per kind of job, and KINDS, what is special of each.

Names of samplers, schedules and the like are checked by the workflows themselves, which know them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seed = Annotated[int, Field(ge=0, lt=2**63, description="One seed, one picture.")]
SEEDS = 2**31
"""Of a seed that nobody chose, which is below."""
Steps = Annotated[int | None, Field(default=None, ge=1, le=1000, description="None: the model's own number.")]
Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(max_length=100)]
Share = Annotated[float, Field(gt=0, le=1)]
FILE = r"^(upload:[0-9a-f]{32}|job:[0-9a-f]{32}/[\w.-]+)$"
"""What files are called."""
SENT = f"upload:{0:032x}"
"""Names a picture whose bytes are handed to the queue beside the request."""
File = Annotated[
    str,
    Field(
        pattern=FILE,
        description="`upload:ID` of a file that was sent, or `job:ID/NAME` of one that a job made.",
    ),
]


def any_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbelow(SEEDS)


class Strict(BaseModel):
    """Nothing but what it has fields for, and no numbers that JSON does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Ask(Strict):
    """What all have in common that are asked of a model."""

    model: Name = Field(default="", description="A model's name; empty: the server's first.")


class GenerateAsk(Ask):
    """Pictures from a caption, from a caption and a picture, or inside a mask."""

    kind: Literal["generate"] = "generate"
    prompt: Text
    negative: Text = ""
    seed: Seed | None = Field(default=None, description="None: any; the job says which.")
    count: int = Field(default=1, ge=1, le=4096)
    steps: Steps
    guidance: float | None = Field(default=None, ge=0, le=100)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_rescale: float = Field(default=0.0, ge=0, le=1)
    sampler: Name | None = None
    spacing: Name | None = None
    image: File | None = None
    mask: File | None = None
    strength: Share | None = None
    paste: bool = False
    fit: Name = "pad"
    few_steps: bool = False
    film: bool = Field(default=False, description="Keep every step.")
    check: bool = Field(default=False, description="Say which are replicas of training pictures.")
    preview: bool = Field(default=False, description="Tell of each step with a picture.")

    @model_validator(mode="after")
    def _goes_together(self) -> "GenerateAsk":
        if self.image is None and self.mask is not None:
            raise ValueError("a mask says which part of a picture to draw anew: give the picture too")
        if self.image is None and self.strength is not None:
            raise ValueError("strength says how far a picture is changed: give the picture too")
        return self


class ReconstructAsk(Ask):
    """A picture noised and brought back several times."""

    kind: Literal["reconstruct"] = "reconstruct"
    image: File
    strength: Share | None = None
    curve: bool = Field(default=False, description="At all strengths from 0.1 to 1.")
    count: int = Field(default=8, ge=2, le=64)
    prompt: Text = ""
    seed: Seed = 0
    steps: Steps
    fit: Name = "pad"


class ForwardAsk(Ask):
    """A picture drowning in noise, frame by frame."""

    kind: Literal["forward"] = "forward"
    image: File
    schedule: Name = "cosine"
    steps: int = Field(default=10, ge=1, le=100)
    seed: Seed = 0
    latents: bool = Field(default=False, description="In the model's latents too.")
    frames: bool = Field(default=False, description="Each frame as a picture of its own too.")
    fit: Name = "pad"


class WalkAsk(Ask):
    """The pictures on the straight way between two."""

    kind: Literal["walk"] = "walk"
    image: File
    other: File
    frames: int = Field(default=9, ge=3, le=64, description="Pictures, both ends included.")
    fit: Name = "pad"


class AttentionAsk(Ask):
    """Where the model looks for each word."""

    kind: Literal["attention"] = "attention"
    prompt: Text
    seed: Seed = 0
    steps: Steps
    guidance: float | None = Field(default=None, ge=0, le=100)
    sampler: Name | None = None


class AtlasAsk(Ask):
    """The latent space of the training pictures, as a page and as numbers."""

    kind: Literal["atlas"] = "atlas"
    pictures: int = Field(default=5000, ge=1, le=100_000)
    features: int = Field(default=500, ge=1, le=10_000)
    method: Name = "pca"
    words: tuple[Name, ...] = ()


class LandingAsk(Ask):
    """Where pictures land in an atlas that a job made, of the same model."""

    kind: Literal["landing"] = "landing"
    atlas: Annotated[
        str, Field(pattern=r"^job:[0-9a-f]{32}/atlas\.html$", description="`job:ID/atlas.html`.")
    ]
    landed: tuple[File, ...] = Field(min_length=1, max_length=64, description="The pictures.")


class LevelsAsk(Ask):
    """The loss by noise level."""

    kind: Literal["levels"] = "levels"
    pictures: int = Field(default=64, ge=2, le=4096)


class InspectAsk(Strict):
    """What a training would find in a source of pictures."""

    kind: Literal["inspect"] = "inspect"
    source: Name = Field(description="A data set, the name of a folder of the server's, or `folder:ID`.")
    size: int = Field(default=64, ge=1, le=1024)
    captions: Name = "auto"


class ForecastAsk(Strict):
    """What a training would be like: how long its steps take, and how much memory."""

    kind: Literal["forecast"] = "forecast"
    source: Name = Field(description="A data set, the name of a folder of the server's, or `folder:ID`.")
    recipe: Name | None = None
    size: int | None = Field(default=None, ge=8, le=1024)
    settings: tuple[Text, ...] = Field(default=(), description="Any settings of the recipe: `a.b=c`.")


class TrainAsk(Strict):
    """A model from pictures."""

    kind: Literal["train"] = "train"
    name: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", description="What the model will be called."
    )
    source: Name = Field(description="A data set, the name of a folder of the server's, or `folder:ID`.")
    start: Name | None = Field(default=None, description="A model to go on from; None: from scratch.")
    recipe: Name | None = None
    size: int | None = Field(default=None, ge=8, le=1024)
    minutes: float | None = Field(default=None, gt=0, le=100_000)
    images: int | None = Field(default=None, ge=1, le=10**12)
    captions: Name | None = None
    seed: Seed | None = None
    settings: tuple[Text, ...] = Field(default=(), description="Any settings of the recipe: `a.b=c`.")


AnyAsk = Annotated[
    GenerateAsk
    | ReconstructAsk
    | ForwardAsk
    | WalkAsk
    | AttentionAsk
    | AtlasAsk
    | LandingAsk
    | LevelsAsk
    | InspectAsk
    | ForecastAsk
    | TrainAsk,
    Field(discriminator="kind"),
]
"""A request of any kind."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of job."""

    files: tuple[str, ...] = ()
    """Fields that name files."""
    long: bool = False
    """It gives way to others at every step, can be paused, and goes on where it was."""


KINDS: Mapping[str, Kind] = {
    "generate": Kind(files=("image", "mask")),
    "reconstruct": Kind(files=("image",)),
    "forward": Kind(files=("image",)),
    "walk": Kind(files=("image", "other")),
    "attention": Kind(),
    "atlas": Kind(),
    "landing": Kind(),
    "levels": Kind(),
    "inspect": Kind(),
    "forecast": Kind(),
    "train": Kind(long=True),
}

OWN = ("prompt", "negative", "seed", "count", "image", "mask", "preview")
"""What pictures that are drawn together may differ in."""


def shape(kind: str, request: Mapping[str, Any]) -> str | None:
    """What jobs that can be drawn as one batch have in common; None: it is done alone."""
    if kind != "generate" or request.get("film") or request.get("check"):
        return None
    alike = {name: value for name, value in request.items() if name not in OWN}
    given = {name: request.get(name) is not None for name in ("image", "mask")}
    return repr(sorted((alike | given).items()))
