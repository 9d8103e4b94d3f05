"""Pictures asked for and waited for: what the APIs have in common whose answer is the picture itself."""

import asyncio
import io
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image
from PIL.ExifTags import IFD, Base
from starlette.requests import ClientDisconnect, Request

from rhinoise.core.errors import ConfigError
from rhinoise.server.queue.jobs import Jobs, Told
from rhinoise.server.settings import Limits
from rhinoise.server.store import Job
from rhinoise.storage.provenance import GENERATED, Provenance, png_bytes, read_provenance, source_xmp

T = TypeVar("T")
Format = Literal["png", "jpeg", "webp"]
Size = tuple[int, int]
"""Width and height in pixels."""
SAID = r"^(auto|\d{1,5}x\d{1,5})$"
"""How a size is said."""
SIZE_HEADER = "X-Rhinoise-Size"
"""What was drawn, and what was made of it."""
_UNTOLD = Provenance(parameters=None, request=None, model_hash=None, source=None)


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a picture is sent."""

    format: Format = "png"
    size: Size | None = None
    """None: as it was drawn."""
    quality: int = 100
    """Of what is not PNG, from 0 to 100."""

    def header(self, drawn: Size | None) -> dict[str, str]:
        """Says so where pictures of size `drawn` are sent in another one; None: that is not known yet."""
        if drawn is None or self.size in (None, drawn):
            return {}
        return {SIZE_HEADER: f"drawn at {said(drawn)}, resampled to {said(self.size)}"}


def said(size: Size | None) -> str:
    """As `size_said` reads it."""
    return "auto" if size is None else "{}x{}".format(*size)


SIDES: Mapping[Format, int] = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383}
"""Pixels that a side may have at most."""


def size_said(text: str | None) -> Size | None:
    """`512x384` => width and height; None for nothing, and for `auto`, which is what the model draws."""
    if text is None or text in ("", "auto"):
        return None
    if not re.fullmatch(SAID, text):
        raise ConfigError(f"a size is a width and a height in pixels, such as 512x512, not '{text}'")
    width, _, height = text.partition("x")
    return int(width), int(height)


def check_size(size: Size | None, limits: Limits, format: Format = "png") -> None:
    """ConfigError where that is more than the server, or the format, has room for, or nothing."""
    if size is not None and not 0 < size[0] * size[1] <= limits.pixels:
        raise ConfigError(f"{said(size)} is not between 1 and the {limits.pixels:,} pixels that are sent")
    if size is not None and max(size) > SIDES[format]:
        raise ConfigError(f"a side of a {format} has at most {SIDES[format]:,} pixels, not {max(size):,}")


def own_size(jobs: Jobs, model: str) -> Size | None:
    """What the model of that name draws; None while that is not known."""
    side = jobs.records.get(jobs.registry.model(model), {}).get("size")
    return None if side is None else (side, side)


def _nothing(job: Job, told: Told) -> None:
    pass


def drop(jobs: Jobs, accepted: Sequence[Job]) -> None:
    """Cancel those that have not ended."""
    for job in accepted:
        jobs.cancel(job.id)


async def ended(
    jobs: Jobs, accepted: Sequence[Job], request: Request, hear: Callable[[Job, Told], None] = _nothing
) -> list[Job]:
    """These jobs, once all have ended; who asked and goes away ends them. `hear` is told of every event."""

    async def followed(job: Job) -> Job:
        async for _, told in jobs.events(job.id):
            hear(job, told)
        return jobs.get(job.id)

    async def all_followed() -> list[Job]:
        return await asyncio.gather(*map(followed, accepted))

    try:
        return await _while_there(request, all_followed())
    finally:
        drop(jobs, accepted)


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What comes of the work; ClientDisconnect when who asked goes away first."""
    doing = asyncio.create_task(work)
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        doing.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def pictures(jobs: Jobs, job: Job) -> list[Path]:
    """The pictures of a drawing, in order; not the sheet of them, nor films, nor what was resampled."""
    name = re.compile(rf".*-{job.request['seed']}-(\d+)\.png")
    files = [(found, path) for path in jobs.folder(job).glob("*.png") if (found := name.fullmatch(path.name))]
    return [path for _, path in sorted((int(found[1]), path) for found, path in files)]


def size_of(picture: Path | bytes) -> Size:
    """A picture's size, from its header."""
    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
        return image.size


def encoded(path: Path, form: Form) -> bytes:
    """A drawn picture in another form; all that it says of itself goes with it."""
    if form.format == "png" and form.size in (None, size_of(path)):
        return path.read_bytes()
    with Image.open(path) as image:
        return _bytes(image.convert("RGB"), form, read_provenance(path))


def encoded_preview(data: bytes, form: Form) -> bytes:
    """A picture of a drawing under way, in another form."""
    with Image.open(io.BytesIO(data)) as image:
        return _bytes(image.convert("RGB"), form, _UNTOLD)


def _bytes(image: Image.Image, form: Form, about: Provenance) -> bytes:
    if form.size not in (None, image.size):
        image = image.resize(form.size, Image.Resampling.LANCZOS)
    if form.format == "png":
        return png_bytes(
            image,
            parameters=about.parameters or "",
            request=about.request or {},
            model_hash=about.model_hash or "",
            source=about.source or GENERATED,
            check=about.check,
        )
    marks = Image.Exif()
    # Where AUTOMATIC1111 and most galleries look for it in formats without text chunks.
    comment = b"UNICODE\0" + (about.parameters or "").encode("utf-16-be")
    marks.get_ifd(IFD.Exif)[Base.UserComment] = comment
    xmp = source_xmp(about.source or GENERATED).encode()
    buffer = io.BytesIO()
    image.save(buffer, format=form.format, quality=form.quality, exif=marks, xmp=xmp)
    return buffer.getvalue()
