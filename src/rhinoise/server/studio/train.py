"""Train: pictures are chosen or dropped, looked at, and made into a model, also when the page is closed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import gradio as gr

from rhinoise.server import folders
from rhinoise.server.asks import ForecastAsk, InspectAsk, TrainAsk
from rhinoise.server.queue.jobs import Job, Jobs
from rhinoise.server.registry import DATASETS
from rhinoise.server.studio import html, trainings
from rhinoise.server.studio.create import Create
from rhinoise.server.studio.dropping import dropping
from rhinoise.server.studio.following import SOURCE, worked
from rhinoise.server.studio.trainings import SCRATCH, Trainings
from rhinoise.server.studio.words import OWN, in_words

MINUTES = {"1 minute, a taste": 1, "10 minutes": 10, "1 hour": 60, "4 hours": 240, "a night": 600}
CAPTIONS = {"beside the pictures": "auto", "in the names of the files": "names"}
SIZES = (16, 32, 64, 96, 128)
NO_REPORT = "Choose pictures or drop your own, then look at them: what is fine, and what will be skipped."
NO_FORECAST = "A forecast times a few steps on your pictures: how many the model will see, how much memory."


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What is trained on."""

    source: gr.Dropdown
    drop: gr.HTML
    captions: gr.Radio
    look: gr.Button


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a training is asked for."""

    name: gr.Textbox
    minutes: gr.Radio
    size: gr.Dropdown
    start: gr.Dropdown
    settings: gr.Textbox
    time: gr.Button
    train: gr.Button


def build(jobs: Jobs, created: Create, tab: gr.Tab) -> None:
    """The tab's content."""
    with html.section("Pictures", NO_REPORT, "report") as report:
        pictures = _pictures(jobs)
    with html.section("A model of them", NO_FORECAST, "forecast") as forecast:
        form = _form()
    followed = trainings.build(jobs, tab, form.start, created.model)
    dropped = _sources(jobs, pictures, tab)
    _inspect(jobs, pictures, form, report, dropped)
    _time(jobs, pictures, form, forecast)
    _train(jobs, pictures, form, followed)


def _pictures(jobs: Jobs) -> Pictures:
    choices = _choices(jobs)
    return Pictures(
        source=gr.Dropdown(choices, value=choices[0][1], label="Which ones", elem_id="source"),
        drop=dropping(jobs.config.limits.upload_bytes),
        captions=gr.Radio(list(CAPTIONS.items()), value="auto", label="Their captions", elem_id="captions"),
        look=gr.Button("Look at the pictures", elem_id="inspect"),
    )


def _form() -> Form:
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
        time = gr.Button("Forecast", min_width=90, elem_id="time")
        train = gr.Button("Train", variant="primary", min_width=90, elem_id="begin")
    return Form(name=name, minutes=minutes, size=size, start=start, settings=settings, time=time, train=train)


def _sources(jobs: Jobs, pictures: Pictures, tab: gr.Tab) -> gr.events.Dependency:
    """The list of pictures, with all that was dropped and is still kept; what is dropped is chosen."""

    async def listed(chosen: str) -> gr.Dropdown:
        choices = await asyncio.to_thread(_choices, jobs)
        names = [name for _, name in choices]
        return gr.Dropdown(choices=choices, value=chosen if chosen in names else names[0])

    tab.select(listed, pictures.source, pictures.source, **OWN)

    async def choose(event: gr.EventData) -> gr.Dropdown:
        return await listed(event.folder)

    return pictures.drop.select(choose, None, pictures.source, **OWN)


def _inspect(
    jobs: Jobs, pictures: Pictures, form: Form, report: gr.HTML, dropped: gr.events.Dependency
) -> None:
    @in_words
    async def inspecting(source: str, size: int, captions: str) -> AsyncIterator[str]:
        ask = InspectAsk(source=source, size=size, captions=captions)
        async for shown in worked(jobs, ask, _found):
            yield shown

    for asked in (pictures.look.click, dropped.then):
        asked(inspecting, [pictures.source, form.size, pictures.captions], report, **OWN)


def _time(jobs: Jobs, pictures: Pictures, form: Form, forecast: gr.HTML) -> None:
    @in_words
    async def timing(source: str, size: int, captions: str, settings: str) -> AsyncIterator[str]:
        ask = ForecastAsk(source=source, size=size, settings=(f"data.captions={captions}", *_lines(settings)))
        async for shown in worked(jobs, ask, _forecast):
            yield shown

    form.time.click(timing, [pictures.source, form.size, pictures.captions, form.settings], forecast, **OWN)


def _train(jobs: Jobs, pictures: Pictures, form: Form, followed: Trainings) -> None:
    @in_words
    async def begin(
        source: str, name: str, minutes: int, captions: str, size: int, start: str, settings: str
    ) -> Any:
        fresh = start == SCRATCH
        ask = TrainAsk(
            source=source,
            name=(name or "").strip(),
            minutes=minutes,
            size=size if fresh else None,
            captions=captions,
            start=None if fresh else start,
            settings=_lines(settings),
        )
        return await trainings.shown(jobs, followed, (await jobs.submit(ask, source=SOURCE)).id)

    asked = [
        pictures.source,
        form.name,
        form.minutes,
        pictures.captions,
        form.size,
        form.start,
        form.settings,
    ]
    form.train.click(begin, asked, followed.seen, **OWN)


def _choices(jobs: Jobs) -> list[tuple[str, str]]:
    """What can be trained on: (what the page calls it, what requests call it)."""
    named = [*(folder.name for folder in jobs.config.pictures), *DATASETS]
    return [(name, name) for name in named] + [
        (f"{one.title}: {one.pictures} pictures, dropped {_when(one.when)}", one.name)
        for one in folders.dropped(jobs.config)
    ]


def _when(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds)
    return f"{moment.day} {moment:%b, %H:%M}"


def _lines(text: str | None) -> tuple[str, ...]:
    return tuple(line.strip() for line in (text or "").splitlines() if line.strip())


def _found(jobs: Jobs, job: Job) -> str:
    return html.page(html.address(job, "report.html"), "What a training would find")


def _forecast(jobs: Jobs, job: Job) -> str:
    """What a forecast says for every time that can be chosen."""
    found = job.result or {}
    rate, pictures = found["share"] * found["batch"] / found["seconds_per_step"], found["pictures"]
    rows = [
        (name, f"{60 * minutes * rate:,.0f}", f"{60 * minutes * rate / pictures:,.0f} times")
        for name, minutes in MINUTES.items()
    ]
    steps = f"{found['seconds_per_step']:.2g} seconds for {found['batch']} pictures"
    memory = f"about {found['bytes'] / 2**20:,.0f} MiB more than now"
    return html.table(("learning for", "pictures seen", f"each of the {pictures:,} seen"), rows) + html.facts(
        {"a step": steps, "memory": memory}
    )
