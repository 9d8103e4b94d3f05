"""Chapters for which the model is asked: it draws, and is looked into while it does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from rhinoise.core.shapes import Images
from rhinoise.explain.measure.evenly import evenly
from rhinoise.explain.measure.film import Film
from rhinoise.explain.measure.survey import STYLE, Survey
from rhinoise.explain.measure.variance import Variance
from rhinoise.explain.pages.atlas_words import sentences
from rhinoise.explain.pages.page import svg
from rhinoise.explain.plots.atlas import purity_figure
from rhinoise.explain.plots.variance import curve_figure
from rhinoise.explain.report import (
    Block,
    Chapter,
    Command,
    Drawing,
    Gallery,
    Heading,
    Missing,
    Sheet,
    Table,
    Words,
    left_out,
    pictures,
)

STRIP = "6rem"
"""How wide a picture of a strip is, in CSS."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Pictures, what the autoencoder leaves of them, and how near that is: PSNR in dB."""

    before: Images
    after: Images
    psnr: Sequence[float]
    numbers: int
    """Of a latent."""
    pixels: int
    """Numbers of a picture."""
    held_out: bool


def autoencoder_chapter(
    found: Restored | str, score: Mapping[str, float] | None, sheet: str | None
) -> Chapter:
    """Before and after.

    Args:
        found: the pictures; or why there are none, empty where nobody asked.
        score: what the training measured on all held-out pictures.
        sheet: what the training drew then, as a data URI, for want of `found`.
    """
    title, about = (
        "What it keeps of a picture",
        "Pictures are too large to work on. An autoencoder writes each of them in a few numbers, its latent, "
        "and draws it again from them. What is lost here can never be drawn.",
    )
    if isinstance(found, str):
        blocks: list[Block] = [] if score is None else [Words(_fidelity(score))]
        if sheet is not None:
            blocks.append(
                Sheet(sheet, "pictures before and after", "Above the originals, below what came back.")
            )
        elif found or not blocks:
            blocks.append(Missing(found or "The autoencoder has not been trained so far."))
        return Chapter(
            name="autoencoder",
            title=title,
            about=about,
            blocks=blocks,
            numbers={"score": dict(score) if score else None} | ({"left out": found} if found else {}),
        )
    which = "had never seen" if found.held_out else "was trained on"
    blurred = min(range(len(found.psnr)), key=found.psnr.__getitem__)
    said = (
        f"Above pictures that it {which}, below what came back. Look at fine lines and small faces: they go "
        f"first. Here number {blurred + 1} suffered most, at {found.psnr[blurred]:.1f} dB."
    )
    small = (
        f"A picture of {found.pixels:,} numbers becomes a latent of {found.numbers:,}, "
        f"{found.pixels / found.numbers:.0f} times fewer."
        if found.numbers < found.pixels
        else "This model works on the pixels themselves, so that nothing is lost."
    )
    blocks = [Words(small if score is None else f"{small} {_fidelity(score)}")]
    blocks.append(Gallery(pictures(found.before, ["original"] * len(found.before)), "", "6.5rem"))
    labels = ["exactly" if math.isinf(value) else f"{value:.1f} dB" for value in found.psnr]
    blocks.append(Gallery(pictures(found.after, labels), said, "6.5rem"))
    numbers = {
        "score": dict(score) if score else None,
        "shown_psnr": [None if math.isinf(value) else value for value in found.psnr],
        "numbers_of_a_latent": found.numbers,
        "numbers_of_a_picture": found.pixels,
    }
    return Chapter(name="autoencoder", title=title, about=about, blocks=blocks, numbers=numbers)


def _fidelity(score: Mapping[str, float]) -> str:
    """A PSNR as people see it."""
    psnr = score["psnr"]
    looks = (
        "can hardly be told from the original"
        if psnr > 34
        else "looks a little soft beside it"
        if psnr > 26
        else "looks blurred beside it"
    )
    wrong = 255 * 10 ** (-psnr / 20)
    return (
        f"On {score['pictures']} pictures what came back is {psnr:.1f} dB from the original: a colour is "
        f"wrong by about {wrong:.0f} of 255, so that it {looks}."
    )


# --- forward


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One picture drowning in noise, in pixels and in latents that are decoded, at the same levels."""

    caption: str
    pixels: Images
    latents: Images
    snr_db: Sequence[float]
    """Of each column; infinite for the clean one."""
    half_gone: Mapping[str, Mapping[str, float | None]]
    """Space => aspect => the SNR in dB at which half of it is gone."""


def forward_chapter(found: Strip | str) -> Chapter:
    """The strip, and what the noise takes first."""
    title, about = (
        "How a picture drowns",
        "The model learns from ruined pictures: noise is added, more and more, until nothing is left. It has "
        "to say what was there. The same happens twice here: to the picture, and to its latent.",
    )
    if isinstance(found, str):
        return left_out("forward", title, about, found)
    labels = [_noise(value) for value in found.snr_db]
    blocks: list[Block] = [
        Heading("In pixels"),
        Gallery(pictures(found.pixels, labels), f"“{found.caption}”, and noise until it is gone.", STRIP),
        Heading("In latents, shown as pictures"),
        Gallery(pictures(found.latents, labels), _longer(found.half_gone), STRIP),
    ]
    numbers = {
        "caption": found.caption,
        "snr_db": [value if math.isfinite(value) else None for value in found.snr_db],
        "half_gone_at_snr_db": {space: dict(own) for space, own in found.half_gone.items()},
    }
    return Chapter(name="forward", title=title, about=about, blocks=blocks, numbers=numbers)


def _noise(snr_db: float) -> str:
    """A signal-to-noise ratio for people: how strong the noise is beside the picture."""
    times = 10 ** (-snr_db / 20) if math.isfinite(snr_db) else (0.0 if snr_db > 0 else math.inf)
    if times == 0:
        return "no noise"
    if times > 30:
        return "noise alone"
    return f"noise × {times:.1f}" if times >= 0.95 else f"noise × {times:.2f}"


def _longer(half: Mapping[str, Mapping[str, float | None]]) -> str:
    """What stays visible under how much noise, in both spaces."""
    said = []
    for name in half["pixels"]:
        at, there = half["pixels"][name], half["latents"][name]
        if at is None or there is None:
            continue
        one, other = 10 ** (-at / 20), 10 ** (-there / 20)
        said.append(
            f"{name} at {one:.1f} times the picture’s strength in pixels and {other:.1f} times in latents"
        )
    if not said:
        return "This picture is too plain to say what the noise takes first."
    return (
        "“Noise × 2” is noise twice as strong as the picture. Half of what could be seen is gone: "
        f"{'; '.join(said)}. The larger number is what is kept longer."
    )


# --- the film


@dataclass(frozen=True, kw_only=True)
class Filmed:
    """One generation."""

    prompt: str
    seed: int
    film: Film
    moving: str
    """The animation, as a data URI."""


def film_chapter(found: Filmed | str, command: str) -> Chapter:
    """What was expected, step by step."""
    title, about = (
        "A picture comes to be",
        "To draw, the model starts from noise alone and takes a little of it away at each step, always "
        "towards what it then expects to see. The caption pulls at every step.",
    )
    if isinstance(found, str):
        return left_out("film", title, about, found)
    film = found.film
    kept = evenly(len(film.steps), 8)
    labels = [f"step {film.steps[i].step}" for i in kept]
    settled = " and ".join(f"the {name} at step {step}" for name, step in film.settled.items())
    blocks: list[Block] = [
        Sheet(
            found.moving,
            f"a film of “{found.prompt}” being drawn",
            "The film: at the left what it sees, in the middle what it expects, at the right where the "
            "caption changes that (blue).",
            film=True,
        ),
        Gallery(pictures(film.noisy[kept], labels), "What it saw.", STRIP),
        Gallery(
            pictures(film.expected[kept], labels),
            f"What it expected at these steps, for “{found.prompt}”. Of {film.total} steps {settled} came "
            "so near to the end that they hardly changed any more: first where things are, last the details.",
            STRIP,
        ),
        Gallery(pictures(film.last, [found.prompt]), "The end.", "9rem"),
        Words("To see it for other words:"),
        Command(command),
    ]
    numbers = {
        "prompt": found.prompt,
        "seed": found.seed,
        "steps": film.total,
        "settled": dict(film.settled),
        "by_step": [asdict(step) for step in film.steps],
    }
    return Chapter(name="film", title=title, about=about, blocks=blocks, numbers=numbers)


# --- variance


@dataclass(frozen=True, kw_only=True)
class Varied:
    """One picture, noised and brought back several times at several strengths."""

    original: Float[Tensor, "1 3 H W"]
    survived: Float[Tensor, "1 3 H W"]
    """What the autoencoder alone leaves of it."""
    results: Mapping[float, Float[Tensor, "t 3 H W"]]
    """Strength => what came back."""
    found: Sequence[Variance]
    floor: float
    """How far `survived` is from `original`: root mean square, of 255."""


def variance_chapter(found: Varied | str, command: str) -> Chapter:
    """How far what comes back is from the picture, and from each other."""
    title, about = (
        "Almost never the same again",
        "A picture is noised part of the way and brought back, several times, each time with other noise. "
        "The more noise, the more the model must make up.",
    )
    if isinstance(found, str):
        return left_out("variance", title, about, found)
    results = [distance for one in found.found for distance in one.to_original]
    exact = sum(one.replicas for one in found.found)
    first, last = found.found[0], found.found[-1]
    blocks: list[Block] = [
        Gallery(pictures(found.original, ["the picture"]), "", "7rem"),
    ]
    for row, name in enumerate(("once", "and once more")):
        shown = [images[row : row + 1] for images in found.results.values()]
        labels = [f"{strength:.0%} noise" for strength in found.results]
        gallery = [
            one for image, label in zip(shown, labels, strict=True) for one in pictures(image, [label])
        ]
        blocks.append(Gallery(gallery, f"Brought back {name}.", STRIP))
    same = f"{exact or 'none'} {'is' if exact == 1 else 'are'} the same to the last dot"
    said = (
        f"Of {len(results)} pictures that came back {same}. Noised to {first.strength:.0%} they are "
        f"{first.mean_to_original:.0f} of 255 away from the picture and {first.to_each_other:.0f} from each "
        f"other; from {last.strength:.0%}, where nothing of it is left, {last.mean_to_original:.0f} and "
        f"{last.to_each_other:.0f}. The autoencoder alone accounts for {found.floor:.0f}."
    )
    blocks.append(Drawing(svg(curve_figure(found.found, found.floor)), said))
    blocks += [Words("The same for a picture of yours:"), Command(command)]
    numbers = {
        "autoencoder_alone": found.floor,
        "by_strength": [asdict(one) | {"mean_to_original": one.mean_to_original} for one in found.found],
    }
    return Chapter(name="variance", title=title, about=about, blocks=blocks, numbers=numbers)


# --- the atlas


@dataclass(frozen=True, kw_only=True)
class SmallAtlas:
    """A still picture of the latent space and of the denoiser's features, and what is measured of them."""

    figure: Figure
    pictures: int
    of: int
    kind: str
    """What the colours stand for."""
    surveys: Sequence[Survey]
    """Pixels, latents, and the denoiser's clearest depth."""


def atlas_chapter(found: SmallAtlas | str, command: str) -> Chapter:
    """Where pictures lie."""
    title, about = (
        "Where pictures lie",
        "Each latent is a point in a space of very many directions. What is alike lies near. Two of the "
        "directions are drawn here; the numbers are of all of them.",
    )
    if isinstance(found, str):
        return left_out("atlas", title, about, found)
    count = f"{found.pictures:,} of {found.of:,}" if found.pictures < found.of else f"All {found.of:,}"
    said = (
        f"{count} training pictures, each a point, coloured by {found.kind}. At the left as the autoencoder "
        "keeps them, at the right as the denoiser holds them inside. Do points of one colour lie together?"
    )
    blocks: list[Block] = [Drawing(svg(found.figure), said)]
    blocks += [Words(one) for one in sentences(found.surveys)]
    if any(found.surveys[0].purity.values()):
        styles = STYLE in found.surveys[0].purity
        bars = "How often the nearest picture is of the same kind. The orange mark is what chance would give."
        blocks.append(Drawing(svg(purity_figure(found.surveys, styles=styles)), bars))
    blocks += [Words("As a page to turn, click and search in:"), Command(command)]
    numbers = {
        "pictures": found.pictures,
        "of": found.of,
        "coloured_by": found.kind,
        "spaces": [asdict(survey) for survey in found.surveys],
    }
    return Chapter(name="atlas", title=title, about=about, blocks=blocks, numbers=numbers)


# --- attention


@dataclass(frozen=True, kw_only=True)
class Attended:
    """Where the model looked for each word of a prompt, and what it draws without the word."""

    prompt: str
    image: Float[Tensor, "1 3 H W"]
    words: Sequence[str]
    overlays: Float[Tensor, "k 3 H W"]
    shares: Sequence[float]
    """Of all the attention, of each word."""
    without: Float[Tensor, "k 3 H W"]
    changes: Sequence[float]
    """How far the picture without the word is from the picture: root mean square, of 255."""
    other: float
    """The same for a picture from other noise."""


def attention_chapter(found: Attended | str, command: str) -> Chapter:
    """A map per word, and the experiment beside it."""
    title, about = (
        "Where it looks for each word",
        "While it draws, the model looks up words again and again. Bright is where it looked a word up more "
        "than elsewhere. Whether the word mattered is another question, so it is also left out once.",
    )
    if isinstance(found, str):
        return left_out("attention", title, about, found)
    most = max(range(len(found.words)), key=found.changes.__getitem__)
    maps = [f"{word}: {share:.1%}" for word, share in zip(found.words, found.shares, strict=True)]
    lacking = [f"without {word}: {far:.0f}" for word, far in zip(found.words, found.changes, strict=True)]
    blocks: list[Block] = [
        Gallery(pictures(found.image, [found.prompt]), "", "8rem"),
        Gallery(
            pictures(found.overlays, maps),
            "Where it looked, and how much of all its looking that was.",
            "8rem",
        ),
        Gallery(
            pictures(found.without, lacking),
            f"The same noise, without the word. Leaving “{found.words[most]}” out changes most, "
            f"{found.changes[most]:.0f} of 255; other noise changes {found.other:.0f}.",
            "8rem",
        ),
        Words("Step by step, and for other words:"),
        Command(command),
    ]
    numbers: dict[str, Any] = {
        "prompt": found.prompt,
        "other_noise": found.other,
        "words": [
            {"word": word, "share": share, "change_without": far}
            for word, share, far in zip(found.words, found.shares, found.changes, strict=True)
        ],
    }
    return Chapter(name="attention", title=title, about=about, blocks=blocks, numbers=numbers)


# --- replicas


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Drawn pictures, each beside the training picture that is nearest to it."""

    drawn: Images
    nearest: Images
    prompts: Sequence[str]
    learnt: Sequence[bool]
    """Whether the prompt is a caption of a training picture."""
    labels: Sequence[str | None]
    """None where the meter could not be calibrated."""
    ratios: Sequence[float]
    worth: str
    """How far the labels can be trusted, in words."""
    tested: float | None
    """Part of unseen real pictures that would be called replicas; None: not known."""


def replicas_chapter(found: Checked | str, measured: Sequence[Sequence[str]], command: str) -> Chapter:
    """Drawn, and nearest; `measured` are the rows that `rhinoise evaluate` found of many more pictures."""
    title, about = (
        "Does it draw, or does it copy?",
        "A model may give back its training pictures instead of drawing. So each picture is compared with "
        "all of them. A ratio near 0 is a copy; near 1, the nearest picture is no nearer than many others.",
    )
    blocks: list[Block] = []
    numbers: dict[str, Any] = {}
    if isinstance(found, str):
        blocks += left_out("replicas", title, about, found).blocks
        numbers["left out"] = found
    else:
        labels = [label or "not judged" for label in found.labels]
        texts = [
            f"{prompt} ({'learnt' if learnt else 'not learnt'}): {label}, ratio {ratio:.2f}"
            for prompt, learnt, label, ratio in zip(
                found.prompts, found.learnt, labels, found.ratios, strict=True
            )
        ]
        pairs = pictures(torch.cat([found.drawn.cpu(), found.nearest.cpu()], dim=3), texts)
        count = len(found.prompts)
        copies = sum(label == "replica" for label in found.labels)
        told = (
            f"By this measure {copies or 'none'} of these {count} is a copy."
            if any(found.labels)
            else f"The lowest ratio of these {count} is {min(found.ratios):.2f}."
        )
        blocks.append(
            Gallery(
                pairs,
                f"Left what it drew, right the nearest of all pictures that it learnt from. {told}",
                "12rem",
            )
        )
        worth = found.worth[0].upper() + found.worth[1:]
        blocks.append(Words(f"{worth}. Pictures are compared as small ones of 32 x 32 dots here."))
        numbers["pictures"] = [
            {"prompt": prompt, "learnt": learnt, "label": label, "ratio": ratio}
            for prompt, learnt, label, ratio in zip(
                found.prompts, found.learnt, found.labels, found.ratios, strict=True
            )
        ]
        numbers["worth"] = found.worth
    if measured:
        blocks.append(
            Table(
                measured[0], measured[1:], "Of many more pictures, in pixels, latents and features together"
            )
        )
    else:
        blocks += [
            Words("Of pictures of your own prompts, in pixels, latents and features:"),
            Command(command),
        ]
    return Chapter(name="replicas", title=title, about=about, blocks=blocks, numbers=numbers)
