"""Watch: a picture in noise and brought back, how one comes to be, and where the model looks meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import gradio as gr
from gradio import processing_utils
from PIL import Image, ImageSequence

from rhinoise.server.asks import SENT, AttentionAsk, ForwardAsk, GenerateAsk, ReconstructAsk
from rhinoise.server.errors import NotThereError
from rhinoise.server.pictures import data_uri
from rhinoise.server.queue.jobs import Job, Jobs
from rhinoise.server.studio import html, pictures
from rhinoise.server.studio.following import uploaded, worked
from rhinoise.server.studio.words import OWN, in_words

FRAMES = 20
"""Steps of noise under the slider."""
TIMES = 8
NO_PICTURE = "Drop a picture, or take the one that was drawn last: here it drowns in noise."
NO_RETURN = "Choose how far to noise the picture, then see what the model makes of it, eight times."
NO_FILM = "Draw something in the tab Create first, then see here how it came to be, step by step."
NO_MAPS = "Write a few words and see, for each of them, where the model looks while it draws."


def build(jobs: Jobs, model: gr.Dropdown) -> None:
    """The tab's content."""
    image = _noise(jobs, model)
    _back(jobs, model, image)
    _film(jobs)
    _attention(jobs, model)


def _noise(jobs: Jobs, model: gr.Dropdown) -> gr.Image:
    with html.section("A picture in noise", NO_PICTURE, "noised") as noised:
        image = gr.Image(
            type="filepath",
            label="Any picture",
            sources=["upload", "clipboard"],
            height=260,
            buttons=[],
            elem_id="watched",
        )
        last = gr.Button("Take the one that was drawn last", size="sm", elem_id="take-last")

    @in_words
    async def newest() -> Any:
        last, *_ = pictures.last(jobs)
        path = jobs.made(last.job, last.name)
        return processing_utils.save_file_to_cache(path, cache_dir=str(jobs.config.page))

    last.click(newest, None, image, **OWN)

    @in_words
    async def drown(model: str, image: Mapping[str, Any] | None) -> AsyncIterator[str]:
        if image is None:
            yield html.empty(NO_PICTURE)
            return
        files = {"image": await asyncio.to_thread(uploaded, jobs, image)}
        ask = ForwardAsk(model=model or "", image=SENT, steps=FRAMES, latents=True, frames=True)
        async for shown in worked(jobs, ask, _drowned, files):
            yield shown

    # Without preprocessing: Gradio would decode a picture before it is looked at.
    image.change(drown, [model, image], noised, preprocess=False, **OWN)
    return image


def _back(jobs: Jobs, model: gr.Dropdown, image: gr.Image) -> None:
    with html.section("And back again", NO_RETURN, "returned") as returned:
        strength = gr.Slider(
            0.1, 1, value=0.5, step=0.05, label="Noise it this far", info="at 1 nothing of it is left"
        )
        back = gr.Button(f"Bring it back {TIMES} times", elem_id="bring-back")

    @in_words
    async def bring(model: str, image: Mapping[str, Any] | None, strength: float) -> AsyncIterator[str]:
        if image is None:
            raise NotThereError("there is no picture to noise: drop one above")
        files = {"image": await asyncio.to_thread(uploaded, jobs, image)}
        ask = ReconstructAsk(model=model or "", image=SENT, strength=strength, count=TIMES, steps=None)
        async for shown in worked(jobs, ask, _returned, files):
            yield shown

    back.click(bring, [model, image, strength], returned, preprocess=False, **OWN)


def _film(jobs: Jobs) -> None:
    with html.section("The film of the last picture", NO_FILM, "shown-film") as film:
        play = gr.Button("Show how it came to be", elem_id="film")

    @in_words
    async def filming() -> AsyncIterator[str]:
        ask, files = _with_film(jobs, pictures.last(jobs)[0].job)
        async for shown in worked(jobs, ask, _filmed, files):
            yield shown

    play.click(filming, None, film, **OWN)


def _attention(jobs: Jobs, model: gr.Dropdown) -> None:
    with html.section("Where it looks", NO_MAPS, "maps") as maps:
        words = gr.Textbox(label="What to draw", placeholder="a red heart", max_length=400, elem_id="words")
        look = gr.Button("Show where it looks", elem_id="look")

    @in_words
    async def looking(model: str, words: str) -> AsyncIterator[str]:
        ask = AttentionAsk(model=model or "", prompt=words or "", steps=None)
        async for shown in worked(jobs, ask, _looked):
            yield shown

    gr.on([look.click, words.submit], looking, [model, words], maps, **OWN)


def _drowned(jobs: Jobs, job: Job) -> str:
    """The forward process, in pixels and in latents."""
    numbers = json.loads(jobs.made(job, "strip.json").read_text(encoding="utf-8"))
    frames = []
    for place, frame in enumerate(numbers["pixels"]):
        snr = frame["snr_db"]
        clean = "pure noise" if place else "no noise"
        words = f"t = {frame['t']:.2f}, {clean if snr is None else f'{snr:.1f} dB of signal to noise'}"
        sources = [html.address(job, f"{space}-{place:02d}.png") for space in ("pixels", "latents")]
        frames.append((sources, words))
    heads = '<div class="heads"><span>in its pixels</span><span>in the model’s latents, decoded</span></div>'
    return heads + html.flip(frames, "How much noise")


def _returned(jobs: Jobs, job: Job) -> str:
    """The reconstructions, their mean, and where they differ."""
    numbers = json.loads(jobs.made(job, "distances.json").read_text(encoding="utf-8"))
    own = [
        html.picture(html.address(job, name), f"{far['psnr']:.1f} dB from it")
        for name, far in numbers["pictures"].items()
    ]
    spread = numbers["deviation"]
    both = [
        html.picture(html.address(job, "mean.png"), "their mean"),
        html.picture(
            html.address(job, "std.png"), f"where they differ: up to {spread['largest']:.0f} of 255"
        ),
    ]
    return html.row([*own, *both])


def _with_film(jobs: Jobs, job: Job) -> tuple[GenerateAsk, dict[str, bytes]]:
    """The request of a job's first picture again, with a film; the pictures that it was given are too."""
    request = dict(job.request) | {"film": True, "check": False, "preview": False, "count": 1}
    given = {name: request[name] for name in ("image", "mask") if request[name] is not None}
    files = {name: jobs.given(job, name) for name in given}
    return GenerateAsk(**request | dict.fromkeys(given, SENT)), files


def _filmed(jobs: Jobs, job: Job) -> str:
    """A film's frames under a slider."""
    (file,) = jobs.folder(job).glob("*.film.webp")
    frames = []
    with Image.open(file) as film:
        for number, frame in enumerate(ImageSequence.Iterator(film), start=1):
            frames.append(([data_uri(frame.convert("RGB"))], f"frame {number}"))
    return html.flip(frames, "Step")


def _looked(jobs: Jobs, job: Job) -> str:
    """A word each, and where the model looked for it."""
    numbers = json.loads(jobs.made(job, "attention.json").read_text(encoding="utf-8"))
    frames = [("the picture", html.address(job, "picture.png"), "Point at a word.")]
    for word in numbers["words"]:
        if "overlay" in word:
            changed = word["without"]["rms"]
            under = (
                f"bright where it looks for “{word['word']}”; without the word {changed:.0f} of 255 change"
            )
            frames.append((word["word"], html.address(job, word["overlay"]), under))
    return html.choices(frames)
