"""Pictures from captions, from a caption and a picture, or inside a mask; each file says how it was made."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from rhinoise.core.backend import remarks
from rhinoise.core.errors import ConfigError
from rhinoise.core.images import grid, to_pil, to_tensor
from rhinoise.pipeline.latent_diffusion import LatentDiffusion, batches
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.provenance import write_png
from rhinoise.workflows.defaults import DEFAULT_MODEL, DEFAULT_STRENGTH
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.drawing import followed, how, provenance, resolved, stems
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import (
    BLACK,
    check_targets,
    open_model,
    output_folder,
    output_picture,
    read_mask,
    read_picture,
    squared,
)

if TYPE_CHECKING:
    from rhinoise.workflows.film import Filming
    from rhinoise.workflows.replicas import Checker, Look

SHEET = "grid.png"


@dataclass(frozen=True, kw_only=True)
class DrawRequest:
    """What to draw with which model, and where to; None takes the model's own default."""

    prompts: tuple[str, ...]
    model: Path | str = DEFAULT_MODEL
    """A run, a model folder, or "bundled"."""
    out: Path = Path("pictures")
    """A folder; or a .png, for a single picture."""
    negative: str = ""
    seed: int = 0
    count: int = 1
    """Pictures per prompt."""
    steps: int | None = None
    guidance: float | None = None
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    guidance_rescale: float = 0.0
    sampler: str | None = None
    spacing: str | None = None
    size: int | None = None
    """Only to make sure: a model draws in one size."""
    image: Path | None = None
    mask: Path | None = None
    strength: float | None = None
    """In (0, 1]; None is DEFAULT_STRENGTH for a picture, and 1 inside a mask."""
    paste: bool = False
    fit: str = "pad"
    """How `image` becomes square: pad or crop."""
    precision: str = "auto"
    few_steps: bool = False
    """Draw with what `distil` made of the model."""
    film: bool = False
    """Keep what happens at each step, beside each picture."""
    check: bool = False
    """Look the nearest training pictures up, and say which are replicas."""
    data: str | None = None
    """The training pictures, for `check`; None: those that the model names."""


@device_errors_told("or draw fewer pictures at once (--count)")
def generate(request: DrawRequest) -> Generator[Event, None, None]:
    """Draw and write every picture, a contact sheet of several, and films where they are asked for.

    A RhinoiseError says what is wrong with the request, most of it before the model is opened.
    """
    asked = _asked(request)
    out, alone = _place(request)
    targets = [out] if alone else [out / name for name in _names(request)]
    films = _film_targets(request, targets, out, alone) if request.film else []
    checks = _check_targets(out, alone) if request.check else []
    check_targets([*targets, *films, *checks[:1]], request.image, request.mask)
    picture = None if request.image is None else read_picture(request.image)
    mask = yield from _open_mask(request, picture)
    model = open_model(request.model, request.precision, few_steps=request.few_steps)
    for remark in remarks({request.precision}, model.device):
        yield Said(remark)
    _check_size(request.size, model.size)
    if picture is not None:
        asked = [_started(one, picture, mask, request, model.size) for one in asked]
    asked = [resolved(one, model) for one in asked]
    checker = None
    if request.check:
        checker = yield from _checker(request, model)
    one, number = asked[0], len(asked) * request.count
    pictures = "a picture" if number == 1 else f"{number} pictures"
    yield Said(f"drawing {pictures} of {model.size} x {model.size} pixels: {how(one)}")

    parts = [part for one in asked for part in batches(one)]
    drawn: list[tuple[str, Image.Image]] = []
    looks: list[Look] = []
    filming = _filming(model) if request.film else None
    for place, part in enumerate(parts):
        steps = model.steps(part) if filming is None else filming.steps(part)
        latents = yield from followed(steps, len(model.levels(part)) - 1, place, len(parts))
        images, begun = model.finish(part, latents), len(drawn)
        shown = to_pil(images)
        about = [provenance(part, model, part.first + row, request.image) for row in range(part.count)]
        found = [None] * part.count if checker is None else checker.looks(part.prompt, shown)
        for image, own, look in zip(shown, about, found, strict=True):
            path = targets[len(drawn)]
            write_png(image, path, **own, check=None if look is None else look.record)
            yield Wrote(path)
            if look is not None:
                yield Said(f"{path.name}: {look.told}")
                looks.append(look)
            drawn.append((part.prompt, image))
        if filming is not None:
            decoded = images if part.mask is None else model.decode(latents)
            yield from filming.write(latents, decoded, targets[begun : len(drawn)], about)
    if filming is not None:
        yield from filming.close(films[-1])
    if number > 1:
        yield _sheet(drawn, request, provenance(asked[0], model, 0, request.image), targets[-1])
    if checker is not None:
        names = [path.name for path in targets[: len(drawn)]]
        yield from checker.keep(names, looks, *checks)


def _asked(request: DrawRequest) -> list[GenerateRequest]:
    """A request per prompt, its picture aside."""
    if not request.prompts:
        raise ConfigError('there is no prompt: say what to draw, for example "a red heart"')
    if request.data is not None and not request.check:
        raise ConfigError("--data says what --check compares with: give --check too")
    if request.paste and request.mask is None:
        raise ConfigError("--paste keeps what is outside a mask: give the mask too (--mask)")
    if request.image is None:
        if request.mask is not None:
            raise ConfigError(
                "a mask says which part of a picture to draw anew: give the picture too (--image)"
            )
        if request.strength is not None:
            raise ConfigError("strength says how far a picture is changed: give the picture too (--image)")
    return [
        GenerateRequest(
            prompt=prompt,
            negative=request.negative,
            seed=request.seed,
            count=request.count,
            steps=request.steps,
            guidance=request.guidance,
            guidance_interval=request.guidance_interval,
            guidance_rescale=request.guidance_rescale,
            sampler=request.sampler,
            spacing=request.spacing,
            paste=request.paste,
        )
        for prompt in request.prompts
    ]


def _place(request: DrawRequest) -> tuple[Path, bool]:
    """Where to write, and whether it is a file for one picture."""
    number = len(request.prompts) * request.count
    if request.out.suffix.lower() != ".png" or request.out.is_dir():
        return output_folder(request.out), False
    if number > 1:
        raise ConfigError(
            f"{number} pictures do not fit into one file, {request.out}: give a folder, "
            f"--out {request.out.with_suffix('')}"
        )
    return output_picture(request.out), True


def _filming(model: LatentDiffusion) -> "Filming":
    """What records; its figures' imports are not for those who only draw."""
    from rhinoise.workflows.film import Filming

    return Filming(model)


def _checker(request: DrawRequest, model: LatentDiffusion) -> Generator[Event, None, "Checker"]:
    """What looks for replicas; likewise."""
    from rhinoise.workflows.replicas import checker_for

    return (yield from checker_for(model, request.model, request.data))


def _film_targets(request: DrawRequest, targets: Sequence[Path], out: Path, alone: bool) -> list[Path]:
    """The pictures that films add; likewise."""
    from rhinoise.workflows.film import film_targets

    return film_targets(targets[: len(request.prompts) * request.count], out, alone)


def _check_targets(out: Path, alone: bool) -> list[Path]:
    """The figure and the numbers of a check."""
    return [
        out.with_name(f"{out.stem}-check{ending}") if alone else out / f"check{ending}"
        for ending in (".png", ".json")
    ]


def _open_mask(
    request: DrawRequest, picture: Image.Image | None
) -> Generator[Event, None, Image.Image | None]:
    """The mask at the picture's size, what was done to it told."""
    if request.mask is None or picture is None:
        return None
    mask, kind = read_mask(request.mask)
    if mask.size != picture.size:
        yield Said(f"the mask is {_by(mask)} pixels, the picture {_by(picture)}: the mask was resized to it")
        mask = mask.resize(picture.size)
    share = sum(level * count for level, count in enumerate(mask.histogram())) / (255 * math.prod(mask.size))
    if not share:
        raise ConfigError(
            f"the mask {request.mask} is black everywhere: draw white where the picture may change"
        )
    yield Said(f"drawing anew what is {kind} in the mask, {share:.0%} of the picture")
    return mask


def _by(image: Image.Image) -> str:
    return f"{image.width} x {image.height}"


def _check_size(asked: int | None, size: int) -> None:
    if asked not in (None, size):
        raise ConfigError(
            f"this model draws pictures of {size} x {size} pixels, not {asked}: leave --size out, or "
            f"train a model with --size {asked}"
        )


def _started(
    one: GenerateRequest,
    picture: Image.Image,
    mask: Image.Image | None,
    request: DrawRequest,
    size: int,
) -> GenerateRequest:
    """The request with its picture and mask as the model takes them."""
    strength = request.strength
    if strength is None:
        strength = DEFAULT_STRENGTH if mask is None else 1.0
    drawn_over = None
    if mask is not None:
        grey = squared(mask.convert("RGB"), size, request.fit, BLACK)
        drawn_over = (to_tensor([grey])[:, :1] + 1) / 2
    return replace(
        one, image=to_tensor([squared(picture, size, request.fit)]), mask=drawn_over, strength=strength
    )


def _names(request: DrawRequest) -> list[str]:
    """The files that a folder gets: each prompt's pictures in order, last a sheet of several."""
    names = [
        f"{stem}-{request.seed}-{index:02d}.png"
        for stem in stems(request.prompts)
        for index in range(request.count)
    ]
    return names if len(names) == 1 else [*names, SHEET]


def _sheet(
    drawn: Sequence[tuple[str, Image.Image]], request: DrawRequest, written: Mapping[str, Any], path: Path
) -> Wrote:
    """All the pictures in one; under each its prompt, where there are several."""
    prompts, images = [prompt for prompt, _ in drawn], [image for _, image in drawn]
    several = len(request.prompts) > 1
    columns = request.count if several and request.count > 1 else math.ceil(math.sqrt(len(images)))
    sheet = grid(images, columns, prompts if several else None)
    about = {"prompts": list(request.prompts), "count": request.count}
    write_png(sheet, path, **{**written, "request": written["request"] | about})
    return Wrote(path)
