"""What asks for pictures: all that is on its side of the tab, and what of it each model has its own of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from rhinoise.server.asks import any_seed
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.settings import Limits
from rhinoise.server.studio.fields import Fields, has_few_steps
from rhinoise.server.studio.painter import painter
from rhinoise.server.studio.words import OWN

OWN_SIZE = ("as drawn", "")
TIMES = (2, 4, 8)
"""Sizes that are offered, in the model's own; any other can be written, as 640x480."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The side of the tab on which one says what to draw."""

    fields: Fields
    draw: gr.Button
    cancel: gr.Button
    folded: gr.Accordion
    """What holds the start picture."""
    dropped: gr.File
    """A picture that brings its request along."""

    @property
    def own(self) -> list[Any]:
        """The components that a model has values of its own for."""
        return [*_sampling(self.fields).values(), self.fields.few_steps, self.fields.size]

    def own_values(self, jobs: Jobs, model: str | None) -> dict[Any, Any]:
        """What `own` becomes for a model: its own way to draw, and its size."""
        record, fields = jobs.records.get(model or ""), self.fields
        if jobs.facts is None or record is None:
            return {fields.size: gr.Dropdown(info="what the model draws is known when it is loaded")}
        if "error" in record:
            return {fields.size: gr.Dropdown(info=record["error"])}
        names, own = jobs.facts["names"], record["sampling"]
        return {
            fields.size: _sizes(record["size"], jobs.config.limits),
            fields.steps: gr.Slider(value=own["steps"], interactive=True),
            fields.guidance: gr.Slider(value=own["guidance"], interactive=True),
            fields.sampler: _choice(names["samplers"], own["sampler"]),
            fields.spacing: _choice(names["spacings"], own["spacing"]),
            fields.few_steps: gr.Checkbox(value=False, visible=has_few_steps(jobs, model)),
        }


def build(jobs: Jobs, model: gr.Dropdown) -> Asking:
    """All of it, the die too, which needs nobody else."""
    prompt = gr.Textbox(
        label="What to draw",
        placeholder="a red heart",
        lines=2,
        max_length=4000,
        elem_id="prompt",
        submit_btn=False,
    )
    with gr.Row():
        draw = gr.Button("Draw", variant="primary", elem_id="draw", min_width=120)
        cancel = gr.Button("Cancel", variant="stop", elem_id="cancel", min_width=90, interactive=False)
    with gr.Row():
        count = gr.Slider(
            1, min(16, jobs.config.limits.count), value=1, step=1, label="Pictures", min_width=150
        )
        size = gr.Dropdown(
            [OWN_SIZE], value="", label="Size", allow_custom_value=True, min_width=150, elem_id="shown-size"
        )
    with gr.Row(elem_id="seeds"):
        seed = gr.Textbox(label="Seed", placeholder="any", max_length=19, min_width=140, elem_id="seed")
        gr.Button("Roll a die", min_width=90, elem_id="die").click(_rolled, None, seed, **OWN)
    with gr.Accordion("Settings", open=False):
        settings = _settings()
    with gr.Accordion("Start from a picture", open=False) as folded:
        gr.Markdown("Drop a picture to change all of it, or paint over the part that is to be drawn anew.")
        start = painter()
        strength = gr.Slider(
            0.05,
            1,
            value=0.6,
            step=0.05,
            label="Strength",
            info="how far the picture may change; a painted part is drawn wholly anew at 1",
        )
    with gr.Accordion("Restore a request", open=False):
        dropped = gr.File(
            label="Drop a PNG that was drawn here", file_types=[".png"], height=110, elem_id="restore"
        )
    fields = Fields(
        model=model,
        prompt=prompt,
        seed=seed,
        count=count,
        size=size,
        start=start,
        strength=strength,
        **settings,
    )
    fields.few_steps.input(
        partial(_sampled, jobs, fields), [model, fields.few_steps], [*_sampling(fields).values()], **OWN
    )
    return Asking(fields=fields, draw=draw, cancel=cancel, folded=folded, dropped=dropped)


def _settings() -> dict[str, Any]:
    """What is rarely changed, by name; a model's own until it is."""
    negative = gr.Textbox(label="What not to draw", placeholder="blurry", max_length=4000)
    steps = gr.Slider(1, 100, value=20, step=1, label="Steps", interactive=False, elem_id="steps")
    info = "how closely to follow the words"
    guidance = gr.Slider(0, 15, value=3, step=0.1, label="Guidance", info=info, interactive=False)
    sampler = gr.Dropdown([], label="Sampler", interactive=False)
    spacing = gr.Dropdown([], label="Spacing", info="which levels of noise it visits", interactive=False)
    few_steps = gr.Checkbox(False, label="Few steps", info="with what was distilled of it", visible=False)
    with gr.Accordion("When and how guidance acts", open=False):
        with gr.Row():
            low = gr.Slider(0, 1, value=0, step=0.01, label="From", info="0 is clean", min_width=140)
            high = gr.Slider(0, 1, value=1, step=0.01, label="To", info="1 is noise", min_width=140)
        info = "how far the contrast is brought back to what it is without guidance"
        rescale = gr.Slider(0, 1, value=0, step=0.01, label="Rescale", info=info)
    return {
        "negative": negative,
        "steps": steps,
        "guidance": guidance,
        "sampler": sampler,
        "spacing": spacing,
        "few_steps": few_steps,
        "low": low,
        "high": high,
        "rescale": rescale,
    }


def _sampling(fields: Fields) -> dict[str, Any]:
    """The fields that a model has values of its own for, as it calls them."""
    return {name: getattr(fields, name) for name in ("steps", "guidance", "sampler", "spacing")}


async def _sampled(jobs: Jobs, fields: Fields, model: str, few_steps: bool) -> dict[Any, Any]:
    """These fields as the model draws by itself, or what was distilled of it."""
    record = jobs.records[model]
    own = record["few_steps"]["sampling"] if few_steps else record["sampling"]
    return {field: own[name] for name, field in _sampling(fields).items()}


def _sizes(own: int, limits: Limits) -> gr.Dropdown:
    """What a model draws, and some times that."""
    sides = [own * times for times in TIMES if (own * times) ** 2 <= limits.pixels]
    choices = [(f"{own} × {own}", ""), *((f"{side} × {side}", f"{side}x{side}") for side in sides)]
    return gr.Dropdown(choices=choices, info=f"the model draws {own} × {own}, others are resampled")


def _choice(names: Mapping[str, str], value: str) -> gr.Dropdown:
    """A dropdown of names, each with what it is."""
    choices = [(f"{name}: {about}" if about else name, name) for name, about in names.items()]
    return gr.Dropdown(choices=choices, value=value, interactive=True)


async def _rolled() -> str:
    return str(any_seed())
