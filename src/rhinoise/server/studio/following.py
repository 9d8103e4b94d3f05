"""A job as it goes: what the page shows of it until it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from rhinoise.core.errors import PictureError
from rhinoise.server.asks import AnyAsk
from rhinoise.server.errors import NotThereError
from rhinoise.server.pictures import checked
from rhinoise.server.queue.jobs import Job, Jobs
from rhinoise.server.store import OPEN
from rhinoise.server.studio import html
from rhinoise.server.studio.words import check_done

SOURCE = "page"
"""Who asks, as jobs remember it."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Where a job stands."""

    words: str
    done: int = 0
    total: int = 0
    images: tuple[str, ...] = ()
    """Previews of its pictures, as `src`."""

    def bar(self) -> str:
        """As HTML."""
        return html.bar(self.words, self.done, self.total)

    def told(self) -> str:
        """The same, with the previews under it."""
        images = html.row(html.picture(image, text="what it is becoming") for image in self.images)
        return self.bar() + (images if self.images else "")


async def following(jobs: Jobs, id: str) -> AsyncIterator[Seen]:
    """All that is to be seen of a job until it has ended; gr.Error where it does not end well."""
    seen = Seen(words=_waiting(jobs))
    yield seen
    async for _, told in jobs.events(id):
        seen = _after(seen, told)
        yield seen
    check_done(jobs.get(id))


async def worked(
    jobs: Jobs, ask: AnyAsk, shown: Callable[[Jobs, Job], str], files: Mapping[str, bytes] = {}
) -> AsyncIterator[str]:
    """A job from being asked for: how far it is, as HTML, and last what `shown` makes of what it made.

    Where it does not end well, the place that shows says so too: what is told beside the page goes away.
    """
    job = await jobs.submit(ask, files=files, source=SOURCE)
    try:
        async for seen in following(jobs, job.id):
            yield seen.bar()
    except gr.Error as error:
        yield html.empty(error.message)
        raise
    yield await asyncio.to_thread(shown, jobs, jobs.get(job.id))


async def done(jobs: Jobs, id: str) -> Job:
    """The job, when it has ended well."""
    return check_done(await jobs.finished(id))


def uploaded(jobs: Jobs, sent: Mapping[str, Any]) -> bytes:
    """The bytes of a picture that Gradio was sent and has not looked at, checked.

    Whoever asks says where it lies: nothing but what was sent is read.
    """
    path = Path(sent["path"] or "").resolve()
    if not (path.is_relative_to(jobs.config.page.resolve()) and path.is_file()):
        raise NotThereError("there is no picture of this name: drop it once more")
    if path.stat().st_size > jobs.config.limits.upload_bytes:
        raise PictureError(f"it has more than the {jobs.config.limits.upload_bytes:,} bytes that are taken")
    return checked(path.read_bytes(), jobs.config.limits)


def told(event: Mapping[str, Any]) -> str:
    """A progress event in words."""
    where = f"{event['stage']}, {event['done']} of {event['total']} {event['unit']}s"
    return ", ".join([where, *(f"{name} {value:.3g}" for name, value in event["numbers"].items())])


def _waiting(jobs: Jobs) -> str:
    if not jobs.ready.is_set():
        return "waiting: the models are being loaded"
    before = jobs.store.count(OPEN) - 1
    return "beginning" if before < 1 else f"waiting, {before} before it"


def _after(seen: Seen, event: Mapping[str, Any]) -> Seen:
    """What is seen after an event."""
    match event["event"]:
        case "said":
            return replace(seen, words=event["text"])
        case "progress":
            return replace(seen, words=told(event), done=event["done"], total=event["total"])
        case "preview":
            return replace(seen, images=tuple(event["images"]))
        case "state" if event["state"] == "running":
            return replace(seen, words="beginning")
    return seen
