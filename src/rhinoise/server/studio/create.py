"""Create: pictures from words, from a picture, or within a painted part of one; and all that were made."""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from rhinoise.core.errors import ConfigError
from rhinoise.server.asks import SENT, GenerateAsk, WalkAsk
from rhinoise.server.jobs import Jobs
from rhinoise.server.studio import html, pictures
from rhinoise.server.studio.following import SOURCE, done, following
from rhinoise.server.studio.painter import EMPTY, painter, read, showing
from rhinoise.server.studio.words import in_words
from rhinoise.storage.provenance import Provenance

NOTHING = html.empty("What you draw appears here, step by step. Describe a picture and press Draw.")
VARIED = 0.5
"""The strength of a variation."""
MORE = 4
"""Pictures of "more like this"."""
SEEDS = 2**31


@dataclass(frozen=True, kw_only=True)
class Create:
    """What other tabs fill in."""

    model: gr.Dropdown
    """The model of the whole page."""
    prompt: gr.Textbox
    start: gr.HTML
    folded: gr.Accordion
    """What holds the start picture."""
    own: Sequence[Any]
    """Components that a model has values of its own for; see `own_values`."""


def build(jobs: Jobs, model: gr.Dropdown) -> Create:
    """The tab's content."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
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
                cancel = gr.Button(
                    "Cancel", variant="stop", elem_id="cancel", min_width=90, interactive=False
                )
            count = gr.Slider(1, min(16, jobs.config.limits.count), value=1, step=1, label="Pictures")
            with gr.Row(elem_id="seeds"):
                seed = gr.Textbox(
                    label="Seed",
                    placeholder="any",
                    max_length=19,
                    min_width=140,
                    elem_id="seed",
                )
                die = gr.Button("Roll a die", min_width=90, elem_id="die")
            with gr.Accordion("Settings", open=False):
                negative = gr.Textbox(label="What not to draw", placeholder="blurry", max_length=4000)
                steps = gr.Slider(1, 100, value=20, step=1, label="Steps", interactive=False)
                guidance = gr.Slider(
                    0,
                    15,
                    value=3,
                    step=0.1,
                    label="Guidance",
                    info="how closely to follow the words",
                    interactive=False,
                )
                sampler = gr.Dropdown([], label="Sampler", interactive=False)
                size = html.box()
            with gr.Accordion("Start from a picture", open=False) as folded:
                gr.Markdown(
                    "Drop a picture to change all of it, or paint over the part that is to be drawn anew."
                )
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
        with gr.Column(scale=3, min_width=300):
            stage = html.box(elem_id="stage", value=NOTHING)
            with gr.Row(visible=False, elem_id="actions") as actions:
                more = gr.Button("More like this", size="sm", min_width=110)
                vary = gr.Button("Vary", size="sm", min_width=70)
                edit = gr.Button("Paint on it", size="sm", min_width=90)
                reuse = gr.Button("Its request", size="sm", min_width=90)
                walk = gr.Button("Walk from A to B", size="sm", min_width=110, interactive=False)
            gr.Markdown("### Pictures made here")
            gallery = html.box(html.PICK, elem_id="gallery")

    current, picked = gr.State(""), gr.State([])
    fields = [prompt, negative, seed, count, steps, guidance, sampler]

    @in_words
    async def drawing(
        model: str,
        prompt: str,
        negative: str,
        seed: str,
        count: float,
        steps: float,
        guidance: float,
        sampler: str | None,
        painted: Any,
        strength: float,
    ) -> AsyncIterator[Any]:
        made, files = read(painted, jobs.config.limits)
        image, mask = (made or (SENT if "image" in files else None)), (SENT if "mask" in files else None)
        known = jobs.facts is not None
        ask = GenerateAsk(
            model=model or "",
            prompt=prompt or "",
            negative=negative or "",
            seed=_seed(seed),
            count=int(count),
            steps=int(steps) if known else None,
            guidance=guidance if known else None,
            sampler=sampler,
            image=image,
            mask=mask,
            strength=None if image is None else strength,
            paste=mask is not None,
            preview=True,
        )  # fmt: skip
        job = jobs.submit(ask, files=files, source=SOURCE)
        idle = {draw: gr.Button(interactive=True), cancel: gr.Button(interactive=False), current: ""}
        busy = {draw: gr.Button(interactive=False), cancel: gr.Button(interactive=True), current: job.id}
        try:
            async for seen in following(jobs, job.id):
                images = html.row(html.picture(image, text="what it is becoming") for image in seen.images)
                yield {stage: seen.bar() + (images if seen.images else "")} | busy
                busy = {}
        except gr.Error:
            yield {stage: NOTHING} | idle
            raise
        yield idle | _shown(pictures.of(jobs, job), [])

    def _shown(made: Sequence[pictures.Made], before: list[str]) -> dict[Any, Any]:
        """What changes when a picture is picked, or was drawn; the one before stays marked, to walk from."""
        keys = [*[key for key in before if key != made[0].key][-1:], made[0].key] if made else before
        return {
            picked: keys,
            gallery: pictures.gallery(pictures.newest(jobs), keys),
            actions: gr.Row(visible=bool(keys)),
            walk: gr.Button(interactive=len(keys) == 2),
        } | ({stage: pictures.told(jobs, made[0])} if made else {})

    outputs = [stage, gallery, picked, current, draw, cancel, actions, walk]
    inputs = [model, *fields, start, strength]
    run: dict[str, Any] = {"fn": drawing, "inputs": inputs, "outputs": outputs, "show_progress": "hidden"}
    own: dict[str, Any] = {"api_visibility": "private"}
    gr.on([draw.click, prompt.submit], **run, **own)

    @in_words
    async def stop(id: str) -> None:
        if id:
            jobs.cancel(id)

    cancel.click(stop, current, None, show_progress="hidden", **own)
    die.click(_roll, None, seed, show_progress="hidden", **own)

    @in_words
    async def pick(before: list[str], event: gr.EventData) -> Any:
        return _shown([pictures.named(jobs, event.pick)], before)

    gallery.select(pick, picked, outputs, show_progress="hidden", **own)

    @in_words
    async def restore(file: str | None) -> Any:
        if file is None:
            return [gr.skip()] * (len(fields) + 2)
        return _restored(jobs, pictures.asked_by(Path(file)))

    restored = [*fields, strength, model]
    dropped.change(restore, dropped, restored, show_progress="hidden", **own)

    @in_words
    async def again(keys: list[str]) -> Any:
        return _restored(jobs, pictures.asked_by(jobs.file(keys[-1])))

    reuse.click(again, picked, restored, show_progress="hidden", **own)

    @in_words
    async def alike(keys: list[str]) -> Any:
        found = _restored(jobs, pictures.asked_by(jobs.file(keys[-1])))
        return [*found[:2], _any_seed(), MORE, *found[4:], EMPTY]

    more.click(alike, picked, [*restored, start], show_progress="hidden", **own).success(**run, **own)

    @in_words
    async def varied(keys: list[str]) -> Any:
        found = _restored(jobs, pictures.asked_by(jobs.file(keys[-1])))
        return [
            *found[:2],
            _any_seed(),
            MORE,
            *found[4:-2],
            VARIED,
            found[-1],
            showing(pictures.named(jobs, keys[-1]).address),
        ]

    vary.click(varied, picked, [*restored, start], show_progress="hidden", **own).success(**run, **own)

    @in_words
    async def opened(keys: list[str]) -> Any:
        return showing(pictures.named(jobs, keys[-1]).address), 1.0, gr.Accordion(open=True)

    edit.click(opened, picked, [start, strength, folded], show_progress="hidden", **own)

    @in_words
    async def walking(model: str, keys: list[str]) -> AsyncIterator[Any]:
        job = jobs.submit(WalkAsk(model=model or "", image=keys[0], other=keys[1]), source=SOURCE)
        async for seen in following(jobs, job.id):
            yield seen.bar()
        yield walk_shown(jobs, job.id)

    walk.click(walking, [model, picked], stage, show_progress="hidden", **own)

    async def begin() -> str:
        return pictures.gallery(pictures.newest(jobs), [])

    gr.on(None, begin, None, gallery, show_progress="hidden", **own)

    @in_words
    async def generate(prompt: str, seed: int = 0, count: int = 1, model: str = "") -> list[str]:
        """Draw pictures; the addresses of what was made."""
        ask = GenerateAsk(prompt=prompt, seed=int(seed), count=int(count), steps=None, model=model)
        job = jobs.submit(ask, source=SOURCE)
        return [one.address for one in pictures.of(jobs, await done(jobs, job.id))]

    gr.api(generate, api_name="generate")
    return Create(
        model=model, prompt=prompt, start=start, folded=folded, own=[steps, guidance, sampler, size]
    )


def own_values(jobs: Jobs, model: str | None) -> list[Any]:
    """What `Create.own` becomes for a model: its own steps, guidance and sampler, and its size in words."""
    facts = jobs.facts or {}
    record = facts.get("models", {}).get(model)
    if record is None or "error" in record:
        said = html.empty(
            "Its size is known when the models are loaded." if record is None else record["error"]
        )
        return [gr.skip(), gr.skip(), gr.skip(), said]
    own = record["sampling"]
    side = f'<p class="note">Pictures of this model are {record["size"]} × {record["size"]} pixels.</p>'
    samplers = [
        (f"{name}: {about}" if about else name, name) for name, about in facts["names"]["samplers"].items()
    ]
    return [
        gr.Slider(value=own["steps"], interactive=True),
        gr.Slider(value=own["guidance"], interactive=True),
        gr.Dropdown(choices=samplers, value=own["sampler"], interactive=True),
        side,
    ]


def walk_shown(jobs: Jobs, id: str) -> str:
    """The pictures on a way between two, under a slider."""
    way = pictures.of(jobs, jobs.get(id))
    last = len(way) - 1
    frames = [([one.address], f"{place / last:.0%} of the way") for place, one in enumerate(way)]
    return html.flip(frames, "From one to the other", at=last // 2)


async def _roll() -> str:
    return _any_seed()


def _any_seed() -> str:
    return str(secrets.randbelow(SEEDS))


def _seed(text: str | None) -> int | None:
    """What was written as a seed; None for nothing, which is any."""
    text = (text or "").strip()
    if text and not text.isdecimal():
        raise ConfigError(f"a seed is a whole number such as 42, not '{text}'; leave it empty for any")
    return int(text) if text else None


def _restored(jobs: Jobs, found: Provenance) -> list[Any]:
    """What the fields become, in the order of `restored`: all that asks for this picture again."""
    request = found.request or {}
    models = (jobs.facts or {}).get("models", {})
    model = next((name for name, one in models.items() if one.get("hash") == found.model_hash), None)
    if model is None:
        gr.Info("The model that drew it is not here: the one that is chosen will draw another picture.")
    if "image" in request:
        gr.Info(f"It was drawn from {request['image']}, which it does not hold: drop that picture too.")
    strength = request.get("strength")
    return [
        request["prompt"],
        request.get("negative", ""),
        str(request.get("seed", "")),
        request.get("first", 0) + 1,
        request.get("steps") or gr.skip(),
        gr.skip() if request.get("guidance") is None else request["guidance"],
        request.get("sampler") or gr.skip(),
        gr.skip() if strength is None else strength,
        model or gr.skip(),
    ]
