"""What a person asks to be drawn, and its way: checked, fitted to a model, its pictures written."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from rhinoise.core.backend import remarks
from rhinoise.core.errors import ConfigError
from rhinoise.core.images import grid, to_tensor
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.provenance import write_png
from rhinoise.workflows.defaults import DEFAULT_MODEL, DEFAULT_STRENGTH
from rhinoise.workflows.drawing.requests import how, provenance, resolved, stems
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import (
    BLACK,
    check_targets,
    output_folder,
    output_picture,
    read_mask,
    read_picture,
    squared,
)

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


class Order:
    """A request, the files that it becomes, and the pictures that it starts from: all but the model.

    A RhinoiseError says what is wrong with the request.
    """

    def __init__(self, request: DrawRequest) -> None:
        self.request, self.asked = request, _asked(request)
        self.out, self.alone = _place(request)
        self.paths = [self.out] if self.alone else [self.out / name for name in _names(request)]
        """The pictures, prompt by prompt."""
        self.sheet = self.out / SHEET if len(self.paths) > 1 else None
        check_targets(self.paths if self.sheet is None else [*self.paths, self.sheet], *self.inputs)
        self.picture = None if request.image is None else read_picture(request.image)
        self.mask, self.told = _mask(request.mask, self.picture)
        """What is drawn anew, and what was done to it, in sentences."""

    @property
    def inputs(self) -> tuple[Path | None, Path | None]:
        """What is read and may not be overwritten."""
        return self.request.image, self.request.mask


class Drawing:
    """An order in the hands of a model: what it is asked, and what is drawn of it so far.

    ConfigError when the model draws in another size.
    """

    def __init__(self, order: Order, model: LatentDiffusion) -> None:
        request = order.request
        self.order, self.model = order, model
        _check_size(request.size, model.size)
        self.asked = [
            resolved(_started(one, order.picture, order.mask, request, model.size), model)
            for one in order.asked
        ]
        self.drawn: list[tuple[str, Image.Image]] = []

    @property
    def done(self) -> bool:
        """Whether every picture is there."""
        return len(self.drawn) == len(self.order.paths)

    @property
    def told(self) -> list[Said]:
        """What is worth knowing beforehand."""
        number, size = len(self.order.paths), self.model.size
        pictures = "a picture" if number == 1 else f"{number} pictures"
        return [
            *map(Said, remarks({self.order.request.precision}, self.model.device)),
            Said(f"drawing {pictures} of {size} x {size} pixels: {how(self.asked[0])}"),
        ]

    def about(self, part: GenerateRequest) -> list[Mapping[str, Any]]:
        """What is written into each picture of a part."""
        image = self.order.request.image
        return [provenance(part, self.model, part.first + row, image) for row in range(part.count)]

    def paths(self, part: GenerateRequest) -> list[Path]:
        """Where the coming pictures go."""
        return self.order.paths[len(self.drawn) : len(self.drawn) + part.count]

    def write(
        self, part: GenerateRequest, images: Sequence[Image.Image], checks: Sequence[Any] | None = None
    ) -> Generator[Event, None, None]:
        """Write the pictures of the next part, each with what a check found; with the last one the sheet."""
        rows = zip(images, self.paths(part), self.about(part), checks or [None] * part.count, strict=True)
        for image, path, about, check in rows:
            write_png(image, path, **about, check=check)
            yield Wrote(path)
            self.drawn.append((part.prompt, image))
        if self.done and self.order.sheet is not None:
            yield self._sheet(self.order.sheet)

    def _sheet(self, path: Path) -> Wrote:
        """All the pictures in one; under each its prompt, where there are several."""
        request = self.order.request
        prompts, images = [prompt for prompt, _ in self.drawn], [image for _, image in self.drawn]
        several = len(request.prompts) > 1
        columns = request.count if several and request.count > 1 else math.ceil(math.sqrt(len(images)))
        sheet = grid(images, columns, prompts if several else None)
        written = provenance(self.asked[0], self.model, 0, request.image)
        about = {"prompts": list(request.prompts), "count": request.count}
        write_png(sheet, path, **{**written, "request": written["request"] | about})
        return Wrote(path)


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


def _mask(path: Path | None, picture: Image.Image | None) -> tuple[Image.Image | None, list[Said]]:
    """The mask at the picture's size, and what was done to it."""
    if path is None or picture is None:
        return None, []
    mask, kind = read_mask(path)
    told = []
    if mask.size != picture.size:
        told.append(
            Said(f"the mask is {_by(mask)} pixels, the picture {_by(picture)}: the mask was resized to it")
        )
        mask = mask.resize(picture.size)
    share = sum(level * count for level, count in enumerate(mask.histogram())) / (255 * math.prod(mask.size))
    if not share:
        raise ConfigError(f"the mask {path} is black everywhere: draw white where the picture may change")
    return mask, [*told, Said(f"drawing anew what is {kind} in the mask, {share:.0%} of the picture")]


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
    picture: Image.Image | None,
    mask: Image.Image | None,
    request: DrawRequest,
    size: int,
) -> GenerateRequest:
    """The request with its picture and mask, if any, as the model takes them."""
    if picture is None:
        return one
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
    """The files of a folder: each prompt's pictures in order."""
    return [
        f"{stem}-{request.seed}-{index:02d}.png"
        for stem in stems(request.prompts)
        for index in range(request.count)
    ]
