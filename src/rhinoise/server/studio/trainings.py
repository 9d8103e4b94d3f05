"""Trainings: where each stands, also when the page was closed meanwhile; put off, gone on with, stopped."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.store import OPEN, Job
from rhinoise.server.studio import html, losses
from rhinoise.server.studio.following import told
from rhinoise.server.studio.words import OWN, in_words

LOOK_SECONDS = 2.0
"""How often a training that goes on is looked at."""
NOTHING = html.empty("No training yet. Choose pictures and how long, give the model a name, and press Train.")
SCRATCH = "from scratch"
WORDS = {
    "waiting": "waiting for its turn",
    "running": "beginning",
    "paused": "paused: it goes on where it was when you press Resume",
    "done": "done: the model is in the list",
    "failed": "it failed",
    "cancelled": "stopped: it goes on where it was when you press Resume",
}
STOPPING = {
    "paused": "pausing: its step ends, then it saves",
    "cancelled": "stopping: its step ends, then it saves",
}
"""What is to be read until it has become that."""


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """What shows one training of all, and what lists models, which trainings add to."""

    head: gr.Row
    which: gr.Dropdown
    panel: gr.HTML
    samples: gr.HTML
    """A place of its own, which is not written anew as long as there are no more of them."""
    pause: gr.Button
    resume: gr.Button
    stop: gr.Button
    clock: gr.Timer
    start: gr.Dropdown
    """The models that a training can begin with."""
    model: gr.Dropdown
    """The model of the whole page."""

    @property
    def seen(self) -> list[Any]:
        """What changes with where a training stands."""
        return list(vars(self).values())


def build(jobs: Jobs, tab: gr.Tab, start: gr.Dropdown, model: gr.Dropdown) -> Trainings:
    """The part of the tab below its form."""
    gr.Markdown("### Trainings")
    with gr.Row(visible=False, elem_id="head-of-training") as head:
        which = gr.Dropdown([], label="Training", min_width=240, scale=3, elem_id="which")
        pause = gr.Button("Pause", interactive=False, min_width=90, elem_id="pause")
        resume = gr.Button("Resume", interactive=False, min_width=90, elem_id="resume")
        stop = gr.Button("Stop", variant="stop", interactive=False, min_width=90, elem_id="stop")
    trainings = Trainings(
        head=head,
        which=which,
        panel=html.box(value=NOTHING, elem_id="training"),
        samples=html.box(html.FLIP, elem_id="samples"),
        pause=pause,
        resume=resume,
        stop=stop,
        clock=gr.Timer(LOOK_SECONDS, active=False),
        start=start,
        model=model,
    )
    _follow(jobs, trainings, tab)
    return trainings


def _follow(jobs: Jobs, trainings: Trainings, tab: gr.Tab) -> None:
    """It is looked at again and again, and when it is chosen; each button does its own to it."""

    async def look(id: str | None) -> Mapping[Any, Any]:
        return await shown(jobs, trainings, id)

    which, seen = trainings.which, trainings.seen
    gr.on([trainings.clock.tick, which.input, tab.select], look, which, seen, **OWN)

    def pressed(do: Callable[[str], Job]) -> Callable[[str], Any]:
        @in_words
        async def doing(id: str) -> Mapping[Any, Any]:
            do(id)
            return await shown(jobs, trainings, id)

        return doing

    trainings.pause.click(pressed(jobs.pause), which, seen, **OWN)
    trainings.resume.click(pressed(jobs.resume), which, seen, **OWN)
    trainings.stop.click(pressed(jobs.cancel), which, seen, **OWN)


async def shown(jobs: Jobs, trainings: Trainings, id: str | None) -> Mapping[Any, Any]:
    """What changes for the training of that id, or else for the newest one."""
    known = jobs.store.select(kinds=["train"], newest_first=True)
    job = next((job for job in known if job.id == id), next(iter(known), None))
    state, models = job and job.state, list(jobs.registry.models())
    going = state in ("waiting", "running")
    changed = {
        trainings.pause: gr.Button(interactive=going),
        trainings.resume: gr.Button(interactive=state in ("paused", "cancelled", "failed")),
        trainings.stop: gr.Button(interactive=state in OPEN),
        trainings.clock: gr.Timer(active=going),
        trainings.start: gr.Dropdown(choices=[SCRATCH, *models]),
    }
    if job is None:
        return changed | {trainings.panel: NOTHING}
    choices = [(f"{job.request['name']}, {job.state}", job.id) for job in known]
    return changed | {
        trainings.which: gr.Dropdown(choices=choices, value=job.id),
        trainings.head: gr.Row(visible=True),
        trainings.panel: await asyncio.to_thread(_panel, jobs, job),
        trainings.samples: await asyncio.to_thread(losses.samples, job, jobs.folder(job)),
        trainings.model: gr.Dropdown(choices=models),
    }


def _panel(jobs: Jobs, job: Job) -> str:
    """Where a training stands."""
    words, done, total = WORDS[job.state], 0, 0
    if job.error:
        words = f"{words}: {job.error}"
    if job.state == "running":
        words, done, total = _latest(list(jobs.live[job.id].events.values()), words)
        words = STOPPING.get(job.stopping or "", words)
    going = html.bar(words, done, total) if job.state in ("waiting", "running") else html.note(words)
    return going + losses.curves(jobs.folder(job))


def _latest(events: Sequence[dict[str, Any]], words: str) -> tuple[str, int, int]:
    """What was told last: in words, and how far it is."""
    for event in reversed(events):
        match event["event"]:
            case "progress":
                return told(event), event["done"], event["total"]
            case "said":
                return event["text"], 0, 0
    return words, 0, 0
