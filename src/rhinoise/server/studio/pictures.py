"""The pictures that were made here: which there are, and what each says of how it was asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rhinoise.core.errors import PictureError
from rhinoise.server import drawing
from rhinoise.server.asks import Name, Seed, Share, Steps, Text
from rhinoise.server.errors import NotThereError
from rhinoise.server.queue.jobs import Job, Jobs
from rhinoise.server.studio import html
from rhinoise.storage.provenance import read_provenance

NEWEST = 48
"""Pictures that the gallery shows."""
Part = Annotated[float, Field(ge=0, le=1)]


class Asked(BaseModel):
    """What a picture says of how it was asked for; another program may have written it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    prompt: Text
    negative: Text = ""
    seed: Seed | None = None
    first: int = Field(default=0, ge=0)
    """Its place among the pictures of its seed."""
    steps: Steps
    guidance: float | None = Field(default=None, ge=0, le=100)
    guidance_interval: tuple[Part, Part] = (0.0, 1.0)
    guidance_rescale: Part = 0.0
    sampler: Name | None = None
    spacing: Name | None = None
    image: str | None = None
    """The name of the picture that it was drawn from."""
    strength: Share = 1.0
    model_hash: str | None = None

    def told(self) -> dict[str, Any]:
        """Name => value, of what differs from picture to picture."""
        low, high = self.guidance_interval
        return {
            "not": self.negative,
            "seed": self.seed,
            "number": self.first + 1,
            "steps": self.steps,
            "guidance": None if self.guidance is None else f"{self.guidance:g}",
            "guided from": None if (low, high) == (0, 1) else f"{low:g} to {high:g}",
            "rescaled": f"{self.guidance_rescale:g}" if self.guidance_rescale else None,
            "sampler": self.sampler,
            "spacing": self.spacing,
            "strength": f"{self.strength:g}" if self.image else None,
        }


@dataclass(frozen=True)
class Made:
    """A picture that a job made."""

    job: Job
    name: str

    @property
    def key(self) -> str:
        """As requests call it."""
        return f"job:{self.job.id}/{self.name}"

    @property
    def address(self) -> str:
        """As the browser finds it."""
        return html.address(self.job, self.name)


def of(jobs: Jobs, job: Job) -> list[Made]:
    """The pictures of a drawing, in order."""
    return [Made(job, path.name) for path in drawing.pictures(jobs, job)]


def newest(jobs: Jobs) -> list[Made]:
    """What was drawn last, by whomever."""

    def each() -> Iterator[Made]:
        for job in jobs.store.select(["done"], ["generate"], newest_first=True, most=NEWEST):
            yield from of(jobs, job)

    return list(islice(each(), NEWEST))


def last(jobs: Jobs) -> list[Made]:
    """All pictures of the last drawing; NotThereError where nothing was drawn."""
    for job in jobs.store.select(["done"], ["generate"], newest_first=True, most=1):
        return of(jobs, job)
    raise NotThereError("nothing has been drawn yet: draw something in the tab Create")


def named(jobs: Jobs, key: str) -> Made:
    """The picture that requests call so; NotThereError where there is none."""
    jobs.file(key)
    id, _, name = key.removeprefix("job:").partition("/")
    return Made(jobs.get(id), name)


def asked_by(source: Path | bytes) -> Asked:
    """What a picture says of its request; PictureError where it was not drawn by this program."""
    found = read_provenance(source)
    request = found.request if isinstance(found.request, dict) else {}
    try:
        return Asked.model_validate(request | {"model_hash": found.model_hash})
    except ValidationError:
        raise PictureError(
            "this picture does not say how it was asked for: drop a PNG that was drawn here, unchanged"
        ) from None


def gallery(made: list[Made], picked: list[str]) -> str:
    """All of them as buttons; `picked` are keys of those that are marked, the last one most."""
    if not made:
        return html.empty("No pictures yet. Say above what you want to see, and press Draw.")
    return f'<div class="gallery" role="list">{"".join(_button(one, picked) for one in made)}</div>'


def told(jobs: Jobs, one: Made, size: drawing.Size | None) -> str:
    """A picture, large, and its request; `size` is what it is shown and saved in, None: as it was drawn."""
    path = jobs.made(one.job, one.name)
    asked, own = asked_by(path), drawing.size_of(path)
    words, source, name, by = asked.prompt or "no caption", one.address, one.name, _by(own)
    if size not in (None, own):
        said = drawing.said(size)
        source, name = f"{source}?size={said}", f"{path.stem}-{said}.png"
        by = f"{_by(size)}, resampled from {_by(own)}"
    about = asked.told() | {"size": by, "model": one.job.request["model"]}
    return (
        f'<div class="picked">{html.picture(source, text=words)}<div><p>{html.escape(words)}</p>'
        f'{html.facts(about)}<a href="{source}" download="{html.escape(name)}">Download</a></div></div>'
    )


def _by(size: drawing.Size) -> str:
    return "{} × {}".format(*size)


def _button(one: Made, picked: list[str]) -> str:
    place = picked.index(one.key) if one.key in picked else -1
    mark = "" if place < 0 else f' aria-current="true" data-mark="{"AB"[place]}"'
    words = html.escape(one.job.request["prompt"] or "no caption")
    return (
        f'<button type="button" role="listitem" data-pick="{html.escape(one.key)}" title="{words}"{mark}>'
        f'<img src="{one.address}" alt="{words}" loading="lazy"></button>'
    )
