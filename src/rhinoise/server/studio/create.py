"""Create: pictures from words, from a picture, or within a painted part of one; and all that were made."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from rhinoise.server.asks import GenerateAsk, WalkAsk
from rhinoise.server.jobs import Jobs
from rhinoise.server.studio import asking, pictures, stage
from rhinoise.server.studio.asking import Asking, Values
from rhinoise.server.studio.following import SOURCE, done, following
from rhinoise.server.studio.painter import EMPTY, showing
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


def build(jobs: Jobs, model: gr.Dropdown) -> Create:
    """The tab's content."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            left = asking.build(jobs, model)
        with gr.Column(scale=3, min_width=300):
            right = stage.build()
    run = _drawing(jobs, left, right)
    _looking(jobs, left, right)
    _again(jobs, left, right, run)
    _for_programs(jobs)
    return Create(
        model=model,
        start=left.fields.start,
        folded=left.folded,
        own=left.own,
        own_values=partial(left.own_values, jobs),
    )


def _drawing(jobs: Jobs, left: Asking, right: Stage) -> dict[str, Any]:
    """Draw and Cancel; how to draw, for other buttons that do."""
    current = gr.State("")

    @in_words
    async def drawing(values: Values) -> AsyncIterator[Any]:
        ask, files = asking.asked(jobs, left.fields, values)
        job = jobs.submit(ask, files=files, source=SOURCE)
        idle = {left.draw: gr.Button(interactive=True), left.cancel: gr.Button(interactive=False)}
        busy = {left.draw: gr.Button(interactive=False), left.cancel: gr.Button(interactive=True)}
        begun = busy | {current: job.id}
        try:
            async for seen in following(jobs, job.id):
                yield {right.shown: seen.told()} | begun
                begun = {}
        except gr.Error:
            yield {right.shown: stage.NOTHING, current: ""} | idle
            raise
        yield {current: ""} | idle | right.looking(jobs, pictures.of(jobs, job), [])

    @in_words
    async def stop(id: str) -> None:
        if id:
            jobs.cancel(id)

    outputs = [*right.changing, left.draw, left.cancel, current]
    run = {"fn": drawing, "inputs": left.fields.all, "outputs": outputs, **OWN}
    gr.on([left.draw.click, left.fields.prompt.submit], **run)
    left.cancel.click(stop, current, None, **OWN)
    return run


def _looking(jobs: Jobs, left: Asking, right: Stage) -> None:
    """A picture of the gallery is looked at, painted on, or walked to."""

    @in_words
    async def pick(before: list[str], event: gr.EventData) -> Any:
        return right.looking(jobs, [pictures.named(jobs, event.pick)], before)

    right.gallery.select(pick, right.picked, right.changing, **OWN)

    @in_words
    async def opened(keys: list[str]) -> Any:
        return showing(pictures.named(jobs, keys[-1]).address), 1.0, gr.Accordion(open=True)

    right.edit.click(opened, right.picked, [left.fields.start, left.fields.strength, left.folded], **OWN)

    @in_words
    async def walking(model: str, keys: list[str]) -> AsyncIterator[Any]:
        job = jobs.submit(WalkAsk(model=model or "", image=keys[0], other=keys[1]), source=SOURCE)
        async for seen in following(jobs, job.id):
            yield seen.bar()
        yield stage.walk_shown(jobs, job.id)

    right.walk.click(walking, [left.fields.model, right.picked], right.shown, **OWN)

    async def begin() -> str:
        return pictures.gallery(pictures.newest(jobs), [])

    gr.on(None, begin, None, right.gallery, **OWN)


def _again(jobs: Jobs, left: Asking, right: Stage, run: dict[str, Any]) -> None:
    """A picture's request is filled in, as it was or changed and drawn at once."""
    fields = left.fields

    @in_words
    async def restore(file: str | None) -> Any:
        return {} if file is None else asking.restored(jobs, fields, pictures.asked_by(Path(file)))

    left.dropped.change(restore, left.dropped, list(fields.all), **OWN)

    def filled(change: Callable[[str], dict[Any, Any]]) -> Any:
        """A handler that fills in the request of the picture that is looked at, and what is changed of it."""

        @in_words
        async def fill(keys: list[str]) -> Any:
            found = pictures.asked_by(jobs.file(keys[-1]))
            return asking.restored(jobs, fields, found) | change(keys[-1])

        return {"fn": fill, "inputs": right.picked, "outputs": list(fields.all), **OWN}

    def alike(key: str) -> dict[Any, Any]:
        return {fields.seed: asking.any_seed(), fields.count: MORE, fields.start: EMPTY}

    def varied(key: str) -> dict[Any, Any]:
        start = showing(pictures.named(jobs, key).address)
        return alike(key) | {fields.strength: VARIED, fields.start: start}

    right.reuse.click(**filled(lambda key: {}))
    right.more.click(**filled(alike)).success(**run)
    right.vary.click(**filled(varied)).success(**run)


def _for_programs(jobs: Jobs) -> None:
    """What clients of Gradio's may call."""

    @in_words
    async def generate(prompt: str, seed: int = 0, count: int = 1, model: str = "") -> list[str]:
        """Draw pictures; the addresses of what was made."""
        ask = GenerateAsk(prompt=prompt, seed=int(seed), count=int(count), steps=None, model=model)
        job = jobs.submit(ask, source=SOURCE)
        return [one.address for one in pictures.of(jobs, await done(jobs, job.id))]

    gr.api(generate, api_name="generate")
