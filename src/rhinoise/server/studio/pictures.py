"""The pictures that were made here: which there are, and what each says of how it was asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rhinoise.core.errors import PictureError
from rhinoise.server import drawing
from rhinoise.server.jobs import Job, Jobs
from rhinoise.server.studio import html
from rhinoise.storage.provenance import Provenance, read_provenance

NEWEST = 48
"""Pictures that the gallery shows."""
_SHOWN = ("seed", "steps", "guidance", "sampler", "spacing", "strength")
_RESTORED = ("prompt", "negative", "first", "image", *_SHOWN)


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


def named(jobs: Jobs, key: str) -> Made:
    """The picture that requests call so; NotThereError where there is none."""
    jobs.file(key)
    id, _, name = key.removeprefix("job:").partition("/")
    return Made(jobs.get(id), name)


def asked_by(source: Path | bytes) -> Provenance:
    """What a picture says of its request; PictureError where it was not drawn by this program."""
    found = read_provenance(source)
    request = found.request or {}
    # Another program may have written it: Gradio takes a value that is no text or number for a file to show.
    is_plain = all(isinstance(request.get(name), str | int | float | None) for name in _RESTORED)
    if "prompt" not in request or not is_plain:
        raise PictureError(
            "this picture does not say how it was asked for: drop a PNG that was drawn here, unchanged"
        )
    return found


def gallery(made: list[Made], picked: list[str]) -> str:
    """All of them as buttons; `picked` are keys of those that are marked, the last one most."""
    if not made:
        return html.empty("No pictures yet. Say above what you want to see, and press Draw.")
    return f'<div class="gallery" role="list">{"".join(_button(one, picked) for one in made)}</div>'


def told(jobs: Jobs, one: Made) -> str:
    """A picture, large, and its request."""
    request = _request(jobs, one)
    words = request.get("prompt") or "no caption"
    details = {name: _plain(request.get(name)) for name in _SHOWN if name != "strength" or "image" in request}
    about = {"not": request.get("negative"), **details, "number": request.get("first", 0) + 1}
    return (
        f'<div class="picked">{html.picture(one.address, text=words)}<div><p>{html.escape(words)}</p>'
        f"{html.facts(about | {'model': one.job.request['model']})}"
        f'<a href="{one.address}" download="{html.escape(one.name)}">Download</a></div></div>'
    )


def _request(jobs: Jobs, one: Made) -> dict[str, Any]:
    try:
        return dict(asked_by(jobs.made(one.job, one.name)).request or {})
    except PictureError:
        return dict(one.job.request)


def _plain(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value


def _button(one: Made, picked: list[str]) -> str:
    place = picked.index(one.key) if one.key in picked else -1
    mark = "" if place < 0 else f' aria-current="true" data-mark="{"AB"[place]}"'
    words = html.escape(one.job.request["prompt"] or "no caption")
    return (
        f'<button type="button" role="listitem" data-pick="{html.escape(one.key)}" title="{words}"{mark}>'
        f'<img src="{one.address}" alt="{words}" loading="lazy"></button>'
    )
