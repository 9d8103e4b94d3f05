"""Chapters of latents: what they keep of a picture, how noise drowns them, where they lie."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from matplotlib.figure import Figure

from rhinoise.core.shapes import Images
from rhinoise.explain.measure.survey import STYLE, Survey
from rhinoise.explain.pages.atlas_words import sentences
from rhinoise.explain.pages.page import svg
from rhinoise.explain.plots.atlas import purity_figure
from rhinoise.explain.report import (
    STRIP,
    Block,
    Chapter,
    Command,
    Drawing,
    Gallery,
    Heading,
    Missing,
    Sheet,
    Words,
    left_out,
    pictures,
)

# --- the autoencoder


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
