"""What the lab book asks of a model: what it draws, and what it looks like inside while it does.

Each question is answered by a record for its chapter, or by a sentence that says why there is none.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Int

from rhinoise.core.errors import RhinoiseError
from rhinoise.core.images import to_pil, to_tensor
from rhinoise.core.random import noise_source
from rhinoise.core.shapes import Images, Latents
from rhinoise.data.doctor import DataReport, examine
from rhinoise.data.doctor import report as data_report
from rhinoise.diffusion.forward import forward_strip
from rhinoise.evaluation.levels import loss_by_level
from rhinoise.evaluation.memorisation import PIXELS
from rhinoise.evaluation.metrics import psnr
from rhinoise.explain.chapters.drawing import Attended, Filmed, Varied
from rhinoise.explain.chapters.latents import Restored, SmallAtlas, Strip
from rhinoise.explain.chapters.worth import Checked
from rhinoise.explain.measure.attention import change, relative, root_mean_square
from rhinoise.explain.measure.forward import decoded
from rhinoise.explain.measure.survey import GROUP
from rhinoise.explain.measure.variance import rms, variance
from rhinoise.explain.measure.words import labels, without, words_of
from rhinoise.explain.pages.page import film_uri
from rhinoise.explain.plots.atlas import clouds_figure
from rhinoise.explain.plots.attention import overlay, peak_of
from rhinoise.explain.plots.film import film_columns, film_frames
from rhinoise.nets.attention import refuse_blind
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.workflows.atlases.pictures import known_latents
from rhinoise.workflows.atlases.sample import choose
from rhinoise.workflows.atlases.spaces import LATENTS, compare_spaces, laid_out, main_spaces
from rhinoise.workflows.attention import watched_drawing
from rhinoise.workflows.drawing.film import Filming
from rhinoise.workflows.drawing.requests import finished, followed, resolved
from rhinoise.workflows.events import Event, Progress, Said
from rhinoise.workflows.forward import faded
from rhinoise.workflows.inspect import look_at, token_lengths
from rhinoise.workflows.pictures import Pictures, spread
from rhinoise.workflows.scoring.replicas import checker_of, worth
from rhinoise.workflows.scoring.trained import drawn

SHOWN = 8
"""Pictures in a row of the book."""
FRAMES = 8
"""Of the strip, the clean picture included."""
STRENGTHS, TIMES = (0.2, 0.4, 0.6, 0.8, 1.0), 4
"""How far a picture is noised, and how often it is brought back from there."""
ATLAS = 240
"""Points of the small atlas: what is looked at inside the denoiser costs as much as drawing."""
MEASURED = 48
"""Pictures on each side of the comparison of losses."""
WORDY = 8
"""Words of a caption whose attention is shown, at most: each is left out once, which is a drawing."""

T = TypeVar("T")
Work = Generator[Event, None, T]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The model, what it learnt from, and one of its captions."""

    model: LatentDiffusion
    pictures: Pictures
    latents_key: str | None
    """Under which the training kept the latents."""
    prompt: str
    own: int
    """The picture that this is a caption of, or another that it has not seen."""
    seed: int


def subject(
    model: LatentDiffusion, pictures: Pictures, prompt: str | None, latents_key: str | None, seed: int
) -> Subject:
    """With a prompt of its own: of the captions that it has not seen the longest, of WORDY words at most."""
    some = spread(pictures.judged, MEASURED)
    captions = pictures.first_captions(some)
    counts = [len(caption.split()) for caption in captions]
    at = max(range(len(some)), key=lambda i: (counts[i] <= WORDY, counts[i]))
    return Subject(
        model=model,
        pictures=pictures,
        latents_key=latents_key,
        prompt=prompt or captions[at],
        own=int(some[at]),
        seed=seed,
    )


def inspected(asked: Subject) -> Work[DataReport]:
    """What `rhinoise inspect` would say of the pictures."""
    prepared = asked.pictures.prepared
    looks = yield from look_at(prepared)
    tokens, context = token_lengths(prepared, prepared.preparation.size)
    total = len(prepared)
    return data_report(examine(prepared, looks, tokens, context, len(asked.pictures.held_out) / total))


def restored(asked: Subject) -> Work[Restored]:
    """Some pictures that it has not seen, through the autoencoder."""
    rows, model = spread(asked.pictures.judged, SHOWN), asked.model
    before = asked.pictures.prepared.images(rows.tolist())
    latents = model.encode(before)
    after = model.decode(latents).cpu()
    yield Said(f"bringing {len(rows)} pictures back from their latents")
    return Restored(
        before=before,
        after=after,
        psnr=psnr(after, before).tolist(),
        numbers=latents[0].numel(),
        pixels=before[0].numel(),
        held_out=len(asked.pictures.held_out) > 0,
    )


def strip(asked: Subject) -> Work[Strip]:
    """A picture drowning, in pixels and in latents."""
    model, x0 = asked.model, asked.pictures.prepared.images([asked.own])
    latent = model.encode(x0).cpu()
    yield Said("noising a picture and its latent")

    def show(latents: Latents) -> Images:
        return model.decode(latents).cpu()

    noised = [
        forward_strip(one, model.schedule, FRAMES, noise_source(asked.seed, [0], one.shape[1:]))
        for one in (x0, latent)
    ]
    _, half = faded(x0, latent, show, asked.seed)
    pixels = [frame.x / max(1.0, float(frame.x.std())) for frame in noised[0]]
    return Strip(
        caption=asked.pictures.first_captions(np.array([asked.own]))[0],
        pixels=torch.cat(pixels),
        latents=torch.cat([frame.x for frame in decoded(noised[1], model.schedule, show)]),
        snr_db=[frame.snr_db for frame in noised[0]],
        half_gone=half,
    )


def filmed(asked: Subject) -> Work[Filmed]:
    """One drawing, watched."""
    model = asked.model
    request = resolved(GenerateRequest(prompt=asked.prompt, seed=asked.seed), model)
    filming = Filming(model)
    yield Said(f"filming how “{asked.prompt}” is drawn")
    latents = yield from followed(filming.steps(request), len(model.levels(request)) - 1)
    film = filming.developed(0, latents, model.finish(request, latents))
    return Filmed(
        prompt=asked.prompt,
        seed=asked.seed,
        film=film,
        moving=film_uri(*film_frames(film, film_columns(film))),
    )


def varied(asked: Subject) -> Work[Varied]:
    """A picture, noised and brought back again and again."""
    model, original = asked.model, asked.pictures.prepared.images([asked.own])
    whole = GenerateRequest(prompt="", seed=asked.seed, count=TIMES, guidance=1.0, image=original)
    yield Said(f"noising a picture and bringing it back {len(STRENGTHS) * TIMES} times")
    every = [resolved(replace(whole, strength=strength), model) for strength in STRENGTHS]
    results = dict(zip(STRENGTHS, (yield from finished(model, every)), strict=True))
    survived = model.decode(model.encode(original)).cpu()
    (floor,) = rms(survived - original)
    return Varied(
        original=original,
        survived=survived,
        results=results,
        found=[variance(images, original, strength) for strength, images in results.items()],
        floor=floor,
    )


def mapped(asked: Subject) -> Work[SmallAtlas]:
    """A few hundred pictures in the space of latents, and in the denoiser's."""
    model, pictures = asked.model, asked.pictures
    chosen = yield from choose(pictures, (), shown=ATLAS, compared=ATLAS)
    latents = yield from known_latents(model, pictures, chosen.shown, asked.latents_key)
    images = pictures.prepared.images(chosen.shown.tolist())
    surveys, features = yield from compare_spaces(model, images, latents, chosen, "pca")
    _, projection = laid_out(latents.flatten(1), "pca")
    kind = GROUP if GROUP in chosen.coloured else "caption word"
    clouds = [(LATENTS, projection.points.numpy()[:, :2]), ("inside the denoiser", features.points[:, :2])]
    return SmallAtlas(
        figure=clouds_figure(clouds, chosen.coloured[kind]),
        pictures=len(chosen.shown),
        of=len(pictures.train),
        kind=kind,
        surveys=main_spaces(surveys),
    )


def attended(asked: Subject) -> Work[Attended]:
    """Where the model looks for each word, and what it draws without it; ConfigError: it looks at none."""
    model = asked.model
    refuse_blind(model.denoiser.network)
    words = words_of(asked.prompt, model.text_encoder.pieces(asked.prompt))
    names = labels(words)
    chosen = [place for place, word in enumerate(words) if word.places and not word.is_sign][:WORDY]
    request = resolved(GenerateRequest(prompt=asked.prompt, seed=asked.seed), model)
    yield Said(f"watching where the model looks for {len(chosen)} words")
    steps, found = yield from watched_drawing(model, request, words, stage="attention")
    image = model.finish(request, steps[-1].x).cpu()
    peak = peak_of(found.mean[chosen])
    prompts = [without(asked.prompt, words[place]) for place in chosen]
    lacking = []
    for number, prompt in enumerate(prompts, start=1):
        lacking.append(model.generate(replace(request, prompt=prompt)).cpu())
        yield Progress(stage="without each word", done=number, total=len(prompts), unit="picture")
    other = model.generate(replace(request, first=1)).cpu()
    return Attended(
        prompt=asked.prompt,
        image=image,
        words=[names[place] for place in chosen],
        overlays=to_tensor([overlay(image, relative(found.mean[place]), peak) for place in chosen]),
        shares=[float(found.totals[:, place].mean()) for place in chosen],
        without=torch.cat(lacking),
        changes=[root_mean_square(change(image, one)) for one in lacking],
        other=root_mean_square(change(image, other)),
    )


def checked(asked: Subject) -> Work[Checked]:
    """What it draws for captions that it has learnt and others, beside what it learnt from."""
    model, pictures = asked.model, asked.pictures
    kinds = [spread(pictures.train, SHOWN // 2), spread(pictures.held_out, SHOWN // 2)]
    rows: Int[np.ndarray, n] = np.concatenate([own for own in kinds if len(own)])
    prompts = pictures.first_captions(rows)
    images = yield from drawn(model, prompts, asked.seed, "drawing")
    checker = yield from checker_of(model, pictures, (PIXELS,))
    looks = [checker.looks(prompt, [image])[0] for prompt, image in zip(prompts, to_pil(images), strict=True)]
    return Checked(
        drawn=images,
        nearest=torch.cat([look.pair.nearest[PIXELS.name].image for look in looks]),
        prompts=prompts,
        learnt=np.isin(rows, pictures.train).tolist(),
        labels=[look.finding.label for look in looks],
        ratios=[look.finding.score for look in looks],
        worth=worth(checker.meter.calibration),
        tested=checker.meter.calibration.tested.labels.get("replica"),
    )


def alike(asked: Subject) -> Work[tuple[float, float] | None]:
    """The loss on training and on held-out pictures, measured in one way; None where none is held out."""
    model, pictures = asked.model, asked.pictures
    if not len(pictures.held_out):
        return None
    yield Said("measuring the loss on pictures that were learnt from, and on others")
    found = []
    for rows in (pictures.train, pictures.held_out):
        some = spread(rows, MEASURED)
        latents = model.encode(pictures.prepared.images(some.tolist()))
        text = model.embed(pictures.first_captions(some))
        losses = loss_by_level(model.denoiser, model.schedule, latents, text)
        found.append(sum(level.answer for level in losses) / len(losses))
    return found[0], found[1]


QUESTIONS: Mapping[str, Callable[[Subject], Work[Any]]] = {
    "data": inspected,
    "autoencoder": restored,
    "forward": strip,
    "film": filmed,
    "variance": varied,
    "atlas": mapped,
    "attention": attended,
    "replicas": checked,
    "loss": alike,
}
"""Chapter => what it needs; each stands alone, so that one that cannot be answered leaves the others."""


def answered(question: Callable[[Subject], Work[T]], asked: Subject) -> Work[T | str]:
    """The record, or in a sentence why there is none."""
    try:
        return (yield from question(asked))
    except RhinoiseError as error:
        return f"This is left out: {error}."
