"""What asks for pictures: the fields, read into a request, and filled in again from one."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from rhinoise.core.errors import ConfigError
from rhinoise.server.asks import SENT, GenerateAsk
from rhinoise.server.jobs import Jobs
from rhinoise.server.studio import html
from rhinoise.server.studio.painter import painter, read
from rhinoise.server.studio.words import OWN
from rhinoise.storage.provenance import Provenance

SEEDS = 2**31

Values = Mapping[Any, Any]
"""Component => its value."""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The components whose values make a request."""

    model: gr.Dropdown
    """The model of the whole page."""
    prompt: gr.Textbox
    negative: gr.Textbox
    seed: gr.Textbox
    count: gr.Slider
    steps: gr.Slider
    guidance: gr.Slider
    sampler: gr.Dropdown
    start: gr.HTML
    """The picture to start from, and what of it is painted over."""
    strength: gr.Slider

    @property
    def all(self) -> set[Any]:
        """All of them: a handler that takes these takes Values."""
        return set(vars(self).values())


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The side of the tab on which one says what to draw."""

    fields: Fields
    draw: gr.Button
    cancel: gr.Button
    folded: gr.Accordion
    """What holds the start picture."""
    about: gr.HTML
    """What is said of the model's size."""
    dropped: gr.File
    """A picture that brings its request along."""

    @property
    def own(self) -> list[Any]:
        """The components that a model has values of its own for."""
        return [self.fields.steps, self.fields.guidance, self.fields.sampler, self.about]

    def own_values(self, jobs: Jobs, model: str | None) -> dict[Any, Any]:
        """What `own` becomes for a model: its own steps, guidance and sampler, and its size in words."""
        facts = jobs.facts or {}
        record = facts.get("models", {}).get(model)
        if record is None:
            return {self.about: html.empty("Its size is known when the models are loaded.")}
        if "error" in record:
            return {self.about: html.empty(record["error"])}
        own, side = record["sampling"], record["size"]
        samplers = facts["names"]["samplers"].items()
        choices = [(f"{name}: {about}" if about else name, name) for name, about in samplers]
        return {
            self.fields.steps: gr.Slider(value=own["steps"], interactive=True),
            self.fields.guidance: gr.Slider(value=own["guidance"], interactive=True),
            self.fields.sampler: gr.Dropdown(choices=choices, value=own["sampler"], interactive=True),
            self.about: f'<p class="note">Pictures of this model are {side} × {side} pixels.</p>',
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
    count = gr.Slider(1, min(16, jobs.config.limits.count), value=1, step=1, label="Pictures")
    with gr.Row(elem_id="seeds"):
        seed = gr.Textbox(label="Seed", placeholder="any", max_length=19, min_width=140, elem_id="seed")
        gr.Button("Roll a die", min_width=90, elem_id="die").click(_rolled, None, seed, **OWN)
    settings, about = _settings()
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
        model=model, prompt=prompt, seed=seed, count=count, start=start, strength=strength, **settings
    )
    return Asking(fields=fields, draw=draw, cancel=cancel, folded=folded, about=about, dropped=dropped)


def _settings() -> tuple[dict[str, Any], gr.HTML]:
    """What is rarely changed, by name, and where the model's size is told."""
    with gr.Accordion("Settings", open=False):
        fields = {
            "negative": gr.Textbox(label="What not to draw", placeholder="blurry", max_length=4000),
            "steps": gr.Slider(1, 100, value=20, step=1, label="Steps", interactive=False),
            "guidance": gr.Slider(
                0,
                15,
                value=3,
                step=0.1,
                label="Guidance",
                info="how closely to follow the words",
                interactive=False,
            ),
            "sampler": gr.Dropdown([], label="Sampler", interactive=False),
        }
        return fields, html.box()


def asked(jobs: Jobs, fields: Fields, values: Values) -> tuple[GenerateAsk, dict[str, bytes]]:
    """What the fields ask for, and the pictures that go with it; a RhinoiseError says what is wrong."""
    made, files = read(values[fields.start], jobs.config.limits)
    image, mask = (made or (SENT if "image" in files else None)), (SENT if "mask" in files else None)
    known = jobs.facts is not None
    ask = GenerateAsk(
        model=values[fields.model] or "",
        prompt=values[fields.prompt] or "",
        negative=values[fields.negative] or "",
        seed=_seed(values[fields.seed]),
        count=int(values[fields.count]),
        steps=int(values[fields.steps]) if known else None,
        guidance=values[fields.guidance] if known else None,
        sampler=values[fields.sampler],
        image=image,
        mask=mask,
        strength=None if image is None else values[fields.strength],
        paste=mask is not None,
        preview=True,
    )
    return ask, files


def restored(jobs: Jobs, fields: Fields, found: Provenance) -> dict[Any, Any]:
    """What the fields become that ask for a picture again; what its request does not say stays."""
    request = found.request or {}
    models = (jobs.facts or {}).get("models", {})
    model = next((name for name, one in models.items() if one.get("hash") == found.model_hash), None)
    if model is None:
        gr.Info("The model that drew it is not here: the one that is chosen will draw another picture.")
    if "image" in request:
        gr.Info(f"It was drawn from {request['image']}, which it does not hold: drop that picture too.")
    said = {
        fields.steps: request.get("steps"),
        fields.guidance: request.get("guidance"),
        fields.sampler: request.get("sampler"),
        fields.strength: request.get("strength"),
        fields.model: model,
    }
    return {
        fields.prompt: request["prompt"],
        fields.negative: request.get("negative", ""),
        fields.seed: str(request.get("seed", "")),
        fields.count: request.get("first", 0) + 1,
        **{field: value for field, value in said.items() if value is not None},
    }


def any_seed() -> str:
    """One by chance, as text."""
    return str(secrets.randbelow(SEEDS))


async def _rolled() -> str:
    return any_seed()


def _seed(text: str | None) -> int | None:
    """What was written as a seed; None for nothing, which is any."""
    text = (text or "").strip()
    if text and not text.isdecimal():
        raise ConfigError(f"a seed is a whole number such as 42, not '{text}'; leave it empty for any")
    return int(text) if text else None
