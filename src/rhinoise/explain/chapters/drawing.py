"""Chapters of a model at work: how a picture comes to be, how two differ, where words are looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rhinoise.explain.measure.evenly import evenly
from rhinoise.explain.measure.film import Film
from rhinoise.explain.measure.variance import Variance
from rhinoise.explain.pages.page import svg
from rhinoise.explain.plots.variance import curve_figure
from rhinoise.explain.report import (
    STRIP,
    Block,
    Chapter,
    Command,
    Drawing,
    Gallery,
    Sheet,
    Words,
    left_out,
    pictures,
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
