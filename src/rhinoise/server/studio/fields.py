"""The fields of a request: read into one, and filled in again from what a picture says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from rhinoise.core.errors import ConfigError
from rhinoise.server.asks import SENT, GenerateAsk
from rhinoise.server.drawing import Size, check_size, own_size, said, size_said
from rhinoise.server.queue.jobs import Jobs, NotNowError
from rhinoise.server.studio.painter import EMPTY, read
from rhinoise.server.studio.pictures import Asked

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
    size: gr.Dropdown
    """What pictures are shown and saved in: the model draws its own size alone."""
    steps: gr.Slider
    guidance: gr.Slider
    sampler: gr.Dropdown
    spacing: gr.Dropdown
    few_steps: gr.Checkbox
    low: gr.Slider
    """Guidance is from here on, in parts of noise,"""
    high: gr.Slider
    """to here."""
    rescale: gr.Slider
    start: gr.HTML
    """The picture to start from, and what of it is painted over."""
    strength: gr.Slider

    @property
    def all(self) -> set[Any]:
        """All of them: a handler that takes these takes Values."""
        return set(vars(self).values())


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
        guidance_interval=(values[fields.low], values[fields.high]),
        guidance_rescale=values[fields.rescale],
        sampler=values[fields.sampler],
        spacing=values[fields.spacing],
        few_steps=values[fields.few_steps],
        image=image,
        mask=mask,
        strength=None if image is None else values[fields.strength],
        paste=mask is not None,
        preview=True,
    )
    return ask, files


def wanted_size(jobs: Jobs, text: str | None) -> Size | None:
    """What was chosen, or written, as a size; None: as it is drawn."""
    size = size_said(text)
    check_size(size, jobs.config.limits)
    return size


def restored(jobs: Jobs, fields: Fields, found: Asked) -> dict[Any, Any]:
    """What the fields become that ask for a picture again; NotNowError until the models are known."""
    if jobs.facts is None:
        raise NotNowError("the models are being loaded: try again in a moment")
    model, few_steps = _drawn_by(jobs, found.model_hash)
    if model is None:
        gr.Info("The model that drew it is not here: the one that is chosen will draw another picture.")
    low, high = found.guidance_interval
    return {
        fields.model: model or gr.skip(),
        fields.prompt: found.prompt,
        fields.negative: found.negative,
        fields.seed: "" if found.seed is None else str(found.seed),
        fields.count: _at(fields.count, found.first + 1),
        fields.steps: _at(fields.steps, found.steps),
        fields.guidance: _at(fields.guidance, found.guidance),
        fields.sampler: found.sampler or gr.skip(),
        fields.spacing: found.spacing or gr.skip(),
        fields.few_steps: gr.Checkbox(value=few_steps, visible=has_few_steps(jobs, model))
        if model
        else False,
        fields.low: low,
        fields.high: high,
        fields.rescale: found.guidance_rescale,
        fields.start: EMPTY if found.image is None else gr.skip(),
        fields.strength: gr.skip() if found.image is None else _at(fields.strength, found.strength),
    }


def restored_size(jobs: Jobs, fields: Fields, found: Asked, size: Size) -> dict[Any, Any]:
    """What the size becomes of a picture that was saved in this one, where its model is here."""
    model, _ = _drawn_by(jobs, found.model_hash)
    if model is None:
        return {}
    return {fields.size: "" if size == own_size(jobs, model) else said(size)}


def has_few_steps(jobs: Jobs, model: str | None) -> bool:
    """Whether one was distilled of it that draws in few steps."""
    return bool(jobs.records.get(model or "", {}).get("few_steps"))


def _drawn_by(jobs: Jobs, hash: str | None) -> tuple[str | None, bool]:
    """The model of that hash, and whether it is what was distilled of it; None where it is not here."""
    for name, record in jobs.records.items():
        if hash and hash == record.get("hash"):
            return name, False
        if hash and hash == (record.get("few_steps") or {}).get("hash"):
            return name, True
    return None, False


def _at(slider: gr.Slider, value: float | int | None) -> Any:
    """What a slider becomes: at this value, also beyond its ends; as it is where there is none."""
    if value is None:
        return gr.skip()
    return gr.Slider(min(slider.minimum, value), max(slider.maximum, value), value=value)


def _seed(text: str | None) -> int | None:
    """What was written as a seed; None for nothing, which is any."""
    text = (text or "").strip()
    if text and not text.isdecimal():
        raise ConfigError(f"a seed is a whole number such as 42, not '{text}'; leave it empty for any")
    return int(text) if text else None
