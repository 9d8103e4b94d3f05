"""Create: pictures from words, from a picture, or within a painted part of one; and all that were made."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from rhinoise.server.asks import GenerateAsk, WalkAsk, any_seed
from rhinoise.server.drawing import Size, size_of
from rhinoise.server.errors import NotThereError
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.studio import asking, pictures, stage
from rhinoise.server.studio.asking import Asking
from rhinoise.server.studio.fields import Values, asked, restored, restored_size, wanted_size
from rhinoise.server.studio.following import SOURCE, done, following, worked
from rhinoise.server.studio.painter import EMPTY, given, showing
from rhinoise.server.studio.stage import Stage
from rhinoise.server.studio.words import OWN, in_words

VARIED = 0.5
"""The strength of a variation."""
MORE = 4
"""Pictures of "more like this"."""


@dataclass(frozen=True, kw_only=True)
class Create:
    """What other tabs fill in."""

    model: gr.Dropdown
    """The model of the whole page."""
    start: gr.HTML
    folded: gr.Accordion
    """What holds the start picture."""
    own: Sequence[Any]
    """Components that a model has values of its own for."""
    own_values: Callable[[str | None], dict[Any, Any]]
    """Name of a model => what these become."""


def build(jobs: Jobs, page: gr.Blocks, model: gr.Dropdown) -> Create:
    """The tab's content, on a page that has a model for all its tabs."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            left = asking.build(jobs, model)
        with gr.Column(scale=3, min_width=300):
            right = stage.build()
    run = _drawing(jobs, page, left, right)
    _looking(jobs, page, left, right)
    _again(jobs, left, right, run)
    _for_programs(jobs)
    return Create(
        model=model,
        start=left.fields.start,
        folded=left.folded,
        own=left.own,
        own_values=partial(left.own_values, jobs),
    )


def _drawing(jobs: Jobs, page: gr.Blocks, left: Asking, right: Stage) -> dict[str, Any]:
    """Draw and Cancel, also of a drawing that a page opened anew finds again; how to draw, for others."""
    size = left.fields.size

    async def followed(id: str, size: Size | None) -> AsyncIterator[Any]:
        """What changes until a drawing has ended."""
        idle = {left.draw: gr.Button(interactive=True), left.cancel: gr.Button(interactive=False)}
        busy = {left.draw: gr.Button(interactive=False), left.cancel: gr.Button(interactive=True)}
        begun = busy | {right.current: id}
        try:
            async for seen in following(jobs, id):
                yield {right.shown: seen.told()} | begun
                begun = {}
        except gr.Error:
            yield {right.shown: stage.NOTHING, right.current: ""} | idle
            raise
        made = pictures.of(jobs, jobs.get(id))
        yield {right.current: ""} | idle | right.looking(jobs, made, [], size)

    @in_words
    async def drawing(values: Values) -> AsyncIterator[Any]:
        wanted = wanted_size(jobs, values[size])
        ask, files = await asyncio.to_thread(asked, jobs, left.fields, values)
        job = await jobs.submit(ask, files=files, source=SOURCE)
        async for changes in followed(job.id, wanted):
            yield changes

    @in_words
    async def found_again(id: str) -> AsyncIterator[Any]:
        try:
            jobs.get(id)
        except NotThereError:
            yield {right.current: ""}
            return
        async for changes in followed(id, None):
            yield changes

    @in_words
    async def stop(id: str) -> None:
        if id:
            jobs.cancel(id)

    outputs = [*right.changing, left.draw, left.cancel, right.current]
    run = {"fn": drawing, "inputs": left.fields.all, "outputs": outputs, **OWN}
    gr.on([left.draw.click, left.fields.prompt.submit], **run)
    left.cancel.click(stop, right.current, None, **OWN)
    page.load(found_again, right.current, outputs, **OWN)
    return run


def _looking(jobs: Jobs, page: gr.Blocks, left: Asking, right: Stage) -> None:
    """A picture of the gallery is looked at, in the size that is chosen, painted on, or walked to."""
    size = left.fields.size

    @in_words
    async def pick(before: list[str], size: str | None, event: gr.EventData) -> Any:
        wanted = wanted_size(jobs, size)
        return right.looking(jobs, [pictures.named(jobs, event.pick)], before, wanted)

    right.gallery.select(pick, [right.picked, size], right.changing, **OWN)

    @in_words
    async def resized(keys: list[str], size: str | None, current: str) -> Any:
        wanted = wanted_size(jobs, size)
        if current or not keys:
            return {right.picked: keys}
        return right.looking(jobs, [pictures.named(jobs, keys[-1])], keys, wanted)

    size.input(resized, [right.picked, size, right.current], right.changing, **OWN)

    @in_words
    async def opened(keys: list[str]) -> Any:
        return showing(pictures.named(jobs, keys[-1]).address), 1.0, gr.Accordion(open=True)

    right.edit.click(opened, right.picked, [left.fields.start, left.fields.strength, left.folded], **OWN)

    @in_words
    async def walking(model: str, keys: list[str]) -> AsyncIterator[Any]:
        ask = WalkAsk(model=model or "", image=keys[0], other=keys[1])
        async for shown in worked(jobs, ask, stage.walk_shown):
            yield shown

    right.walk.click(walking, [left.fields.model, right.picked], right.shown, **OWN)

    async def begin() -> str:
        return pictures.gallery(pictures.newest(jobs), [])

    page.load(begin, None, right.gallery, **OWN)


def _again(jobs: Jobs, left: Asking, right: Stage, run: dict[str, Any]) -> None:
    """A picture's request is filled in, as it was or changed and drawn at once."""
    fields = left.fields

    @in_words
    async def restore(file: str | None) -> Any:
        if file is None:
            return {fields.prompt: gr.skip()}
        found = pictures.asked_by(Path(file))
        if found.image is not None:
            gr.Info(f"It was drawn from {found.image}, which it does not hold: drop that picture too.")
        size = restored_size(jobs, fields, found, size_of(Path(file)))
        return restored(jobs, fields, found) | size

    left.dropped.change(restore, left.dropped, list(fields.all), **OWN)

    def filled(change: Callable[[str], dict[Any, Any]]) -> Any:
        """A handler that fills in the request of the picture that is looked at, and what is changed of it."""

        @in_words
        async def fill(keys: list[str]) -> Any:
            found = restored(jobs, fields, pictures.asked_by(jobs.file(keys[-1])))
            start = given(jobs, pictures.named(jobs, keys[-1]).job)
            return (
                found
                | {fields.start: start, left.folded: gr.Accordion(open=start != EMPTY)}
                | change(keys[-1])
            )

        return {"fn": fill, "inputs": right.picked, "outputs": [*fields.all, left.folded], **OWN}

    def alike(key: str) -> dict[Any, Any]:
        return {fields.seed: str(any_seed()), fields.count: MORE}

    def varied(key: str) -> dict[Any, Any]:
        """It stays what pictures start from, so that is to be seen."""
        start = showing(pictures.named(jobs, key).address)
        return alike(key) | {
            fields.strength: VARIED,
            fields.start: start,
            left.folded: gr.Accordion(open=True),
        }

    right.reuse.click(**filled(lambda key: {}))
    right.more.click(**filled(alike)).success(**run)
    right.vary.click(**filled(varied)).success(**run)


def _for_programs(jobs: Jobs) -> None:
    """What clients of Gradio's may call."""

    @in_words
    async def generate(prompt: str, seed: int = 0, count: int = 1, model: str = "") -> list[str]:
        """Draw pictures; the addresses of what was made."""
        ask = GenerateAsk(prompt=prompt, seed=int(seed), count=int(count), steps=None, model=model)
        job = await jobs.submit(ask, source=SOURCE)
        return [one.address for one in pictures.of(jobs, await done(jobs, job.id))]

    gr.api(generate, api_name="generate")
