"""A picture drowning in noise, frame by frame, with the numbers that say how much of it is left."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from rhinoise.core.errors import ConfigError
from rhinoise.core.images import to_tensor
from rhinoise.core.random import noise_source
from rhinoise.diffusion.forward import forward_strip
from rhinoise.diffusion.schedules import STEPS, ScheduleConfig
from rhinoise.explain.plots.pictures import strip_figure
from rhinoise.explain.plots.style import save_figure
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import check_targets, output_picture, read_picture

LONGEST = 192
"""Pixels of the longer side that a larger picture is brought down to."""


@dataclass(frozen=True, kw_only=True)
class ForwardRequest:
    """Which picture, by which schedule, in how many steps of the strip."""

    image: Path
    out: Path = Path("strip.png")
    schedule: str = "cosine"
    steps: int = 10
    """The strip has one frame more: it begins with the clean picture."""
    seed: int = 0


def forward(request: ForwardRequest) -> Generator[Event, None, None]:
    """Write the strip; a RhinoiseError says what is wrong with the request."""
    if not 1 <= request.steps <= STEPS:
        raise ConfigError(f"--steps is a number of frames from 1 to {STEPS}, not {request.steps}")
    schedule = ScheduleConfig(name=request.schedule).build()
    out = output_picture(request.out)
    check_targets([out], request.image)
    picture = read_picture(request.image)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    x0 = to_tensor([picture])
    yield Said(f"noising {request.image} by the schedule {request.schedule}, seed {request.seed}")
    frames = forward_strip(x0, schedule, request.steps + 1, noise_source(request.seed, [0], x0.shape[1:]))
    save_figure(strip_figure(frames, schedule=request.schedule), out)
    yield Wrote(out)
