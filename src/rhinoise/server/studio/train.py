"""Train: pictures are chosen or dropped, looked at, and made into a model, also when the page is closed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from rhinoise.server.asks import ForecastAsk, InspectAsk, TrainAsk
from rhinoise.server.folders import keep
from rhinoise.server.jobs import Jobs
from rhinoise.server.registry import DATASETS
from rhinoise.server.store import OPEN, Job
from rhinoise.server.studio import html, losses
from rhinoise.server.studio.create import Create
from rhinoise.server.studio.following import SOURCE, done, following, told
from rhinoise.server.studio.words import in_words

LOOK_SECONDS = 2.0
"""How often a training that goes on is looked at."""
MINUTES = {"1 minute, a taste": 1, "10 minutes": 10, "1 hour": 60, "4 hours": 240, "a night": 600}
SIZES = (16, 32, 64, 96, 128)
NO_REPORT = html.empty(
    "Choose pictures or drop your own, then look at them: what is fine, and what will be skipped."
)
NO_FORECAST = html.empty(
    "A forecast times a few steps on your pictures: how many the model will see, how much memory."
)
NO_TRAINING = html.empty(
    "No training yet. Choose pictures and how long, give the model a name, and press Train."
)
SCRATCH = "from scratch"
WORDS = {
    "waiting": "waiting for its turn",
    "running": "beginning",
    "paused": "paused: it goes on where it was when you press Resume",
    "done": "done: the model is in the list",
    "failed": "it failed",
    "cancelled": "stopped: it goes on where it was when you press Resume",
}


def build(jobs: Jobs, created: Create, tab: gr.Tab) -> None:
    """The tab's content."""
    folders = [folder.name for folder in jobs.config.pictures]
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            source = gr.Dropdown(
                [*folders, *DATASETS], value=[*folders, *DATASETS][0], label="Pictures", elem_id="source"
            )
            with gr.Accordion("Drop your own", open=False):
                files = gr.File(
                    label="Pictures, with captions in metadata.csv or in .txt files beside them",
                    file_count="multiple",
                    height=160,
                    elem_id="pictures",
                )
            name = gr.Textbox(
                label="Name of the model", placeholder="my-model", max_length=64, elem_id="name"
            )
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
        with gr.Column(scale=3, min_width=300):
            forecast = html.box(value=NO_FORECAST, elem_id="forecast")
            report = html.box(value=NO_REPORT, elem_id="report")
    gr.Markdown("### Trainings")
    which = gr.Dropdown([], label="Training", elem_id="which")
    panel = html.box(html.FLIP, value=NO_TRAINING, elem_id="training")
    with gr.Row():
        pause = gr.Button("Pause", size="sm", interactive=False, elem_id="pause")
        resume = gr.Button("Resume", size="sm", interactive=False, elem_id="resume")
        stop = gr.Button("Stop", size="sm", variant="stop", interactive=False, elem_id="stop")
    clock = gr.Timer(LOOK_SECONDS, active=False)
    own: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked = [source, name, minutes, size, start, settings]

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
        return gr.Dropdown(choices=[*folders, *DATASETS, (label, kept.name)], value=kept.name)

    files.upload(drop, files, source, **own)

    @in_words
    async def inspecting(source: str, size: int) -> AsyncIterator[str]:
        job = jobs.submit(InspectAsk(source=source, size=size), source=SOURCE)
        async for seen in following(jobs, job.id):
            yield seen.bar()
        yield html.page(html.address(job, "report.html"), "What a training would find")

    look.click(inspecting, [source, size], report, **own)

    @in_words
    async def timing(
        source: str, name: str, minutes: int, size: int, start: str, settings: str
    ) -> AsyncIterator[str]:
        ask = ForecastAsk(source=source, size=size, settings=_lines(settings))
        job = jobs.submit(ask, source=SOURCE)
        async for seen in following(jobs, job.id):
            yield seen.bar()
        yield _forecast((await done(jobs, job.id)).result or {}, minutes)

    time.click(timing, asked, forecast, **own)

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
        return await shown(jobs.submit(ask, source=SOURCE).id)

    async def shown(id: str | None) -> list[Any]:
        """The training of that id, or the newest one."""
        known = jobs.store.select(kinds=["train"], newest_first=True)
        job = next((job for job in known if job.id == id), next(iter(known), None))
        names = list(jobs.registry.models())
        begins = gr.Dropdown(choices=[SCRATCH, *names])
        if job is None:
            return [
                gr.skip(),
                NO_TRAINING,
                *[gr.Button(interactive=False)] * 3,
                gr.Timer(active=False),
                begins,
                gr.skip(),
            ]
        choices = [(f"{job.request['name']}, {job.state}", job.id) for job in known]
        going = job.state in ("waiting", "running")
        return [
            gr.Dropdown(choices=choices, value=job.id),
            await asyncio.to_thread(_panel, jobs, job),
            gr.Button(interactive=going),
            gr.Button(interactive=job.state in ("paused", "cancelled", "failed")),
            gr.Button(interactive=job.state in OPEN),
            gr.Timer(active=going),
            begins,
            gr.Dropdown(choices=names),
        ]

    seen = [which, panel, pause, resume, stop, clock, start, created.model]
    train.click(begin, asked, seen, **own)
    clock.tick(shown, which, seen, **own)
    which.input(shown, which, seen, **own)
    tab.select(shown, which, seen, **own)

    def pressed(do: Callable[[str], Job]) -> Callable[[str], Any]:
        @in_words
        async def doing(id: str) -> list[Any]:
            do(id)
            return await shown(id)

        return doing

    pause.click(pressed(jobs.pause), which, seen, **own)
    resume.click(pressed(jobs.resume), which, seen, **own)
    stop.click(pressed(jobs.cancel), which, seen, **own)


def _lines(text: str | None) -> tuple[str, ...]:
    return tuple(line.strip() for line in (text or "").splitlines() if line.strip())


def _forecast(found: Any, minutes: int) -> str:
    """What a forecast says for a number of minutes."""
    pictures = found["pictures"]
    seen = 60 * minutes * found["share"] / found["seconds_per_step"] * found["batch"]
    return html.facts(
        {
            "in that time": f"about {seen:,.0f} pictures, each of {pictures:,} {seen / pictures:,.0f} times",
            "a step": f"{found['seconds_per_step']:.2f} seconds, {found['batch']} pictures",
            "memory": f"about {found['bytes'] / 2**30:.1f} GiB more than now",
        }
    )


def _panel(jobs: Jobs, job: Job) -> str:
    """Where a training stands."""
    words, done, total = WORDS[job.state], 0, 0
    if job.error:
        words = f"{words}: {job.error}"
    if job.state == "running":
        words, done, total = _latest(list(jobs.live[job.id].events.values()), words)
    going = html.bar(words, done, total) if job.state in ("waiting", "running") else html.note(words)
    return going + losses.shown(job, jobs.folder(job))


def _latest(events: Sequence[dict[str, Any]], words: str) -> tuple[str, int, int]:
    """What was told last: in words, and how far it is."""
    for event in reversed(events):
        match event["event"]:
            case "progress":
                return told(event), event["done"], event["total"]
            case "said":
                return event["text"], 0, 0
    return words, 0, 0
