"""A picture drowning in noise, frame by frame, with the numbers that say how much of it is left.

With a model, twice: in its pixels, and in the model's latents, decoded, at the same signal-to-noise ratios.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rhinoise.core.errors import ConfigError
from rhinoise.core.files import finite, replacing, write_json
from rhinoise.core.images import to_tensor
from rhinoise.core.random import noise_source
from rhinoise.core.shapes import Images, Latents
from rhinoise.diffusion.forward import Frame, forward_strip
from rhinoise.diffusion.level import Schedule
from rhinoise.diffusion.schedules import SCHEDULES, STEPS, ScheduleConfig
from rhinoise.explain.measure.aspects import ASPECTS
from rhinoise.explain.measure.forward import Seen, decoded, fading, half_gone, power_db, snr_curve
from rhinoise.explain.plots.forward import aligned_figure, snr_figure
from rhinoise.explain.plots.pictures import shown, strip_figure
from rhinoise.explain.plots.style import save_figure
from rhinoise.nets.autoencoder import IdentityAutoencoder
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.storage.provenance import MARK
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import check_targets, open_model, output_picture, read_picture, squared

LONGEST = 192
"""Pixels of the longer side that a larger picture is brought down to, where no model says its size."""

SAME_DB = 1.0
"""What is half gone within so many dB of one another is kept as long: other noises move it by as much."""

Half = dict[str, dict[str, float | None]]
"""Space => aspect => the SNR in dB at which it is half gone."""


@dataclass(frozen=True, kw_only=True)
class ForwardRequest:
    """Which picture, by which schedule, in how many steps of the strip, and in whose latents too."""

    image: Path
    out: Path = Path("strip.png")
    schedule: str = "cosine"
    steps: int = 10
    """The strip has one frame more: it begins with the clean picture."""
    seed: int = 0
    model: Path | str | None = None
    """A run, a model folder, or "bundled"; None: pixels alone."""
    fit: str = "pad"
    """How the picture becomes square for a model: pad or crop."""
    frames: bool = False
    """In place of the strip, and of what takes longer to measure, each frame as a picture: pixels-00.png and
    so on, with a model latents-00.png too."""


@device_errors_told("or leave --model out")
def forward(request: ForwardRequest) -> Generator[Event, None, None]:
    """Write the strip, and its numbers as JSON beside it; a RhinoiseError says what is wrong."""
    if not 1 <= request.steps <= STEPS:
        raise ConfigError(f"--steps is a number of frames from 1 to {STEPS}, not {request.steps}")
    schedule = ScheduleConfig(name=request.schedule).build()
    out = output_picture(request.out)
    check_targets([out], request.image)
    picture = read_picture(request.image)
    model = None if request.model is None else open_model(request.model, "fp32")
    if model is None:
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    else:
        if picture.size != (model.size, model.size):
            yield Said(
                f"{request.image} is {picture.width} x {picture.height} pixels; this model's pictures are "
                f"{model.size} x {model.size}: it was fitted ({request.fit})"
            )
        picture = squared(picture, model.size, request.fit)
    x0 = to_tensor([picture])
    yield Said(f"noising {request.image} by the schedule {request.schedule}, seed {request.seed}")
    if request.frames:
        found = yield from _in_frames(request, schedule, x0, model)
    else:
        figure, found = (
            _in_pixels(request, schedule, x0)
            if model is None
            else (yield from _in_latents(request, schedule, x0, model))
        )
        save_figure(figure, out)
        yield Wrote(out)
    numbers = out.with_suffix(".json")
    about = {"image": str(request.image), "schedule": request.schedule, "seed": request.seed}
    write_json(numbers, about | found)
    yield Wrote(numbers)


def _in_frames(
    request: ForwardRequest, schedule: Schedule, x0: Images, model: LatentDiffusion | None
) -> Generator[Event, None, dict[str, Any]]:
    """Every frame as a picture, marked as ours; their numbers."""
    strips = {"pixels": _strip(request, schedule, x0)}
    if model is not None:
        latents = _strip(request, schedule, model.encode(x0).cpu())
        strips["latents"] = decoded(latents, schedule, lambda part: model.decode(part).cpu())
    mark = PngInfo()
    for key, value in MARK.items():
        mark.add_text(key, value)
    for name, frames in strips.items():
        for number, frame in enumerate(frames):
            path = request.out.parent / f"{name}-{number:02d}.png"
            picture = Image.fromarray((255 * shown(frame.x)).round().astype("uint8"))
            with replacing(path) as temporary:
                picture.save(temporary, format="PNG", pnginfo=mark)
            yield Wrote(path)
    return {name: _numbers(frames) for name, frames in strips.items()}


def _in_pixels(request: ForwardRequest, schedule: Schedule, x0: Images) -> tuple[Any, dict[str, Any]]:
    """The strip of a picture: figure and numbers."""
    frames = _strip(request, schedule, x0)
    return strip_figure(frames, schedule=request.schedule), {"pixels": _numbers(frames)}


def _in_latents(
    request: ForwardRequest, schedule: Schedule, x0: Images, model: LatentDiffusion
) -> Generator[Event, None, tuple[Any, dict[str, Any]]]:
    """The strip of a picture, and that of its latent, decoded: figure and numbers."""

    def show(latents: Latents) -> Images:
        return model.decode(latents).cpu()

    if isinstance(model.autoencoder, IdentityAutoencoder):
        yield Said("this model works on pixels: both strips show the same, but for its centring of them")
    latent = model.encode(x0).cpu()
    pixels = _strip(request, schedule, x0)
    latents = decoded(_strip(request, schedule, latent), schedule, show)
    yield Said("measuring what is left at each signal-to-noise ratio")
    curves, half = faded(x0, latent, show, request.seed)
    for name in ASPECTS:
        at, there = half["pixels"][name], half["latents"][name]
        if at is not None and there is not None:
            longer = "kept longer in latents" if there < at else "kept longer in pixels"
            yield Said(
                f"{name}: half gone at {at:.0f} dB in pixels and {there:.0f} dB in latents, "
                + (longer if abs(there - at) > SAME_DB else "kept as long in both")
            )
    return aligned_figure(pixels, latents, curves, schedule=request.schedule), {
        "model": str(request.model),
        "pixels": _numbers(pixels),
        "latents": _numbers(latents),
        "fading": {space: [asdict(seen) for seen in curve] for space, curve in curves.items()},
        "half gone at (SNR in dB)": half,
        "variance in dB": {"pixels": power_db(x0), "latents": power_db(latent)},
    }


def faded(
    x0: Images, latent: Latents, show: Callable[[Latents], Images], seed: int
) -> tuple[dict[str, list[Seen]], Half]:
    """What is left of a picture, in pixels and in latents, at each SNR; and when each aspect is half gone."""
    curves = {
        "pixels": fading(x0, x0, lambda x: x, seed=seed),
        "latents": fading(latent, show(latent), show, seed=seed),
    }
    return curves, {
        space: {name: half_gone(curve, name) for name in ASPECTS} for space, curve in curves.items()
    }


def _strip(request: ForwardRequest, schedule: Schedule, x0: Latents) -> list[Frame]:
    return forward_strip(x0, schedule, request.steps + 1, noise_source(request.seed, [0], x0.shape[1:]))


def _numbers(frames: Sequence[Frame]) -> list[dict[str, float | None]]:
    """Plain JSON; the SNR of the clean picture, and of pure noise, is null."""
    return [
        {
            "t": frame.t,
            "snr_db": finite(frame.snr_db),
            "correlation": float(frame.correlation[0]),
        }
        for frame in frames
    ]


@dataclass(frozen=True, kw_only=True)
class CurvesRequest:
    """Which schedules to point out; all are drawn."""

    chosen: tuple[str, ...] = ()
    out: Path = Path("schedules.png")


def curves(request: CurvesRequest) -> Generator[Event, None, None]:
    """Write the SNR of every schedule over time as a figure, and as JSON beside it."""
    for name in request.chosen:
        ScheduleConfig(name=name)  # says so where there is none of that name
    out = output_picture(request.out)
    check_targets([out])
    found = {name: snr_curve(ScheduleConfig(name=name).build()) for name in SCHEDULES}
    save_figure(snr_figure(found, request.chosen), out)
    yield Wrote(out)
    numbers = out.with_suffix(".json")
    write_json(numbers, {name: asdict(curve) for name, curve in found.items()})
    yield Wrote(numbers)
