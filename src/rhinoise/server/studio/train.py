"""Train: pictures are chosen or dropped, looked at, and made into a model, also when the page is closed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from rhinoise.server.asks import ForecastAsk, InspectAsk, TrainAsk
from rhinoise.server.folders import keep
from rhinoise.server.jobs import Job, Jobs
from rhinoise.server.registry import DATASETS
from rhinoise.server.studio import html, trainings
from rhinoise.server.studio.create import Create
from rhinoise.server.studio.following import SOURCE, worked
from rhinoise.server.studio.trainings import SCRATCH, Trainings
from rhinoise.server.studio.words import OWN, in_words

MINUTES = {"1 minute, a taste": 1, "10 minutes": 10, "1 hour": 60, "4 hours": 240, "a night": 600}
SIZES = (16, 32, 64, 96, 128)
NO_REPORT = html.empty(
    "Choose pictures or drop your own, then look at them: what is fine, and what will be skipped."
)
NO_FORECAST = html.empty(
    "A forecast times a few steps on your pictures: how many the model will see, how much memory."
)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is asked for, and the buttons that ask."""

    source: gr.Dropdown
    files: gr.File
    name: gr.Textbox
    minutes: gr.Radio
    size: gr.Dropdown
    start: gr.Dropdown
    settings: gr.Textbox
    look: gr.Button
    time: gr.Button
    train: gr.Button


def build(jobs: Jobs, created: Create, tab: gr.Tab) -> None:
    """The tab's content."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            form = _form(jobs)
        with gr.Column(scale=3, min_width=300):
            forecast = html.box(value=NO_FORECAST, elem_id="forecast")
            report = html.box(value=NO_REPORT, elem_id="report")
    followed = trainings.build(jobs, tab, form.start, created.model)
    _drop(jobs, form)
    _inspect(jobs, form, report)
    _time(jobs, form, forecast)
    _train(jobs, form, followed)


def _form(jobs: Jobs) -> Form:
    sources = _sources(jobs)
    source = gr.Dropdown(sources, value=sources[0], label="Pictures", elem_id="source")
    with gr.Accordion("Drop your own", open=False):
        files = gr.File(
            label="Pictures, with captions in metadata.csv or in .txt files beside them",
            file_count="multiple",
            height=160,
            elem_id="pictures",
        )
    name = gr.Textbox(label="Name of the model", placeholder="my-model", max_length=64, elem_id="name")
    minutes = gr.Radio(
        list(MINUTES.items()), value=10, label="How good: how long it learns", elem_id="minutes"
    )
    size = gr.Dropdown(list(SIZES), value=64, label="Pixels a side", elem_id="size")
    with gr.Accordion("More", open=False):
        start = gr.Dropdown(
            [SCRATCH], value=SCRATCH, label="Begin with", info="a model learns on, in its own size"
        )
        settings = gr.Textbox(
            label="Settings of the recipe, one a line",
            placeholder="fit_denoiser.batch=32",
            lines=3,
            elem_id="settings",
        )
    with gr.Row():
        look = gr.Button("Look at the pictures", min_width=130, elem_id="inspect")
        time = gr.Button("Forecast", min_width=90, elem_id="time")
        train = gr.Button("Train", variant="primary", min_width=90, elem_id="begin")
    return Form(
        source=source,
        files=files,
        name=name,
        minutes=minutes,
        size=size,
        start=start,
        settings=settings,
        look=look,
        time=time,
        train=train,
    )


def _drop(jobs: Jobs, form: Form) -> None:
    @in_words
    async def drop(files: list[str] | None) -> Any:
        if not files:
            return gr.skip()
        sent = ((Path(file).name, Path(file).read_bytes()) for file in files)
        kept = await asyncio.to_thread(keep, sent, jobs.config)
        if kept.refused:
            name, why = next(iter(kept.refused.items()))
            gr.Info(f"{len(kept.refused)} files were left out, such as {name}: {why}")
        label = f"dropped here: {kept.pictures} pictures"
        return gr.Dropdown(choices=[*_sources(jobs), (label, kept.name)], value=kept.name)

    form.files.upload(drop, form.files, form.source, **OWN)


def _inspect(jobs: Jobs, form: Form, report: gr.HTML) -> None:
    @in_words
    async def inspecting(source: str, size: int) -> AsyncIterator[str]:
        async for shown in worked(jobs, InspectAsk(source=source, size=size), _found):
            yield shown

    form.look.click(inspecting, [form.source, form.size], report, **OWN)


def _time(jobs: Jobs, form: Form, forecast: gr.HTML) -> None:
    @in_words
    async def timing(source: str, minutes: int, size: int, settings: str) -> AsyncIterator[str]:
        ask = ForecastAsk(source=source, size=size, settings=_lines(settings))
        async for shown in worked(jobs, ask, partial(_forecast, minutes=minutes)):
            yield shown

    form.time.click(timing, [form.source, form.minutes, form.size, form.settings], forecast, **OWN)


def _train(jobs: Jobs, form: Form, followed: Trainings) -> None:
    @in_words
    async def begin(source: str, name: str, minutes: int, size: int, start: str, settings: str) -> Any:
        fresh = start == SCRATCH
        ask = TrainAsk(
            source=source,
            name=(name or "").strip(),
            minutes=minutes,
            size=size if fresh else None,
            start=None if fresh else start,
            settings=_lines(settings),
        )
        return await trainings.shown(jobs, followed, jobs.submit(ask, source=SOURCE).id)

    asked = [form.source, form.name, form.minutes, form.size, form.start, form.settings]
    form.train.click(begin, asked, followed.seen, **OWN)


def _sources(jobs: Jobs) -> list[str]:
    return [*(folder.name for folder in jobs.config.pictures), *DATASETS]


def _lines(text: str | None) -> tuple[str, ...]:
    return tuple(line.strip() for line in (text or "").splitlines() if line.strip())


def _found(jobs: Jobs, job: Job) -> str:
    return html.page(html.address(job, "report.html"), "What a training would find")


def _forecast(jobs: Jobs, job: Job, minutes: int) -> str:
    """What a forecast says for a number of minutes."""
    found = job.result or {}
    pictures = found["pictures"]
    seen = 60 * minutes * found["share"] / found["seconds_per_step"] * found["batch"]
    return html.facts(
        {
            "in that time": f"about {seen:,.0f} pictures, each of {pictures:,} {seen / pictures:,.0f} times",
            "a step": f"{found['seconds_per_step']:.2f} seconds, {found['batch']} pictures",
            "memory": f"about {found['bytes'] / 2**30:.1f} GiB more than now",
        }
    )
