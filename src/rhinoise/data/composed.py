"""The embedded set, enriched: several captions a picture, and pictures made along with their words.

One short name per picture is a lookup table, not a language. Here the same subject is met in other colours
("a purple rhinoceros"), mirrored, small and in other places, and beside another one ("a rhinoceros and a
chair"), so that colour, subject, style and place can be learnt apart and put together anew. All of that is
drawn from the pictures of `emoji` that are learnt from; its held-out ones are here too, and held out.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps

from rhinoise.core.images import Colour
from rhinoise.core.random import generator
from rhinoise.data.colours import PAINTS, WORDS, Paint, differ, main_paint, painted
from rhinoise.data.dataset import Dataset, Example, split
from rhinoise.data.emoji import DEFAULT_SIZE, LICENCES, MODEL_LICENCE, open_emoji, short_names

GLANCE = 32
"""Pixels a side at which a drawing's main paint is looked up."""

PAINTABLE = {
    "Activities",
    "Animals & Nature",
    "Food & Drink",
    "Objects",
    "Smileys & Emotion",
    "Symbols",
    "Travel & Places",
}
"""Groups whose pictures are still what they are called in another colour: not flags, not people."""

MIRRORED = {"Animals & Nature", "Food & Drink", "Travel & Places"}
"""Groups that hold next to no letters and no hands."""

PLACES: dict[str, tuple[float, float]] = {
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "centre": (0.5, 0.5),
}
"""Place => where a small picture stands in the room that is left, across and down, from 0 to 1."""

_WHERE = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "centre": "",
}

SMALL = 0.5
"""Side of a small picture, as a part of the whole."""

ORIGINAL = "original"
"""The kind of a picture that was not made from another."""

PARTS = {"mirrored": 0.5, "placed": 0.4, "paired": 0.6}
"""Of the pictures that can be made so, the part that is; recoloured are all that can be, once each."""

T = TypeVar("T")

Draw = Callable[[int, Colour], Image.Image]
"""(pixels a side, background) => an RGB picture."""


@dataclass(frozen=True)
class Work:
    """A picture of the set: what is known of it, and how it is drawn."""

    example: Example
    draw: Draw


def open_composed() -> Dataset:
    """About 9,000 pictures: `emoji` with richer captions, and what is made from its training part.

    Tags: those of `emoji`, and `kind` (original, recoloured, mirrored, placed, paired), `place` (a name in
    PLACES), `count` ("1", "2"), `colour` where it was painted, `other`, the second subject of a pair.
    """
    works = _works()

    def read(index: int, size: int | None, background: Colour) -> Image.Image:
        return works[index].draw(size or DEFAULT_SIZE, background)

    return Dataset(
        name="emoji_composed",
        examples=tuple(work.example for work in works),
        read=read,
        licences=LICENCES,
        model_licence=MODEL_LICENCE,
    )


def placed(picture: Draw, place: str) -> Draw:
    """The picture, small, at a place."""
    across, down = PLACES[place]

    def drawn(size: int, background: Colour) -> Image.Image:
        side = round(SMALL * size)
        sheet = Image.new("RGB", (size, size), background)
        sheet.paste(picture(side, background), (round(across * (size - side)), round(down * (size - side))))
        return sheet

    return drawn


def paired(left: Draw, right: Draw) -> Draw:
    """Two pictures side by side."""

    def drawn(size: int, background: Colour) -> Image.Image:
        side = size // 2
        sheet = Image.new("RGB", (size, size), background)
        for number, picture in enumerate((left, right)):
            sheet.paste(picture(side, background), (number * (size - side), (size - side) // 2))
        return sheet

    return drawn


def recoloured(picture: Draw, paint: Paint, colour: str) -> Draw:
    """The picture with its main paint in another colour."""

    def drawn(size: int, background: Colour) -> Image.Image:
        pixels = np.asarray(picture(size, background))
        return Image.fromarray(painted(pixels, paint, PAINTS[colour]))

    return drawn


def mirrored(picture: Draw) -> Draw:
    """The picture as in a mirror."""
    return lambda size, background: ImageOps.mirror(picture(size, background))


def caption(tags: Mapping[str, str]) -> str:
    """What is said of a picture with these tags: "a purple rhinoceros, twemoji style"."""
    return f"{article(described(tags))}, {tags['style']} style"


def described(tags: Mapping[str, str]) -> str:
    """What a picture shows, without an article: "small purple rhinoceros on the left"."""
    small, place = "placed" in tags["kind"], tags.get("place", "centre")
    words = [
        "small" if small else "",
        tags.get("colour", ""),
        tags["subject"],
        _WHERE[place] if small else "",
        "in a mirror" if tags["kind"] == "mirrored" else "",
        f"and {article(tags['other'])}" if "other" in tags else "",
    ]
    return " ".join(word for word in words if word)


def article(words: str) -> str:
    """ "rhinoceros" => "a rhinoceros", "apple" => "an apple"."""
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"


@cache
def _works() -> tuple[Work, ...]:
    base = open_emoji()
    paints = [main_paint(np.asarray(base.picture(index, GLANCE))) for index in range(len(base))]
    return (*_originals(base, paints), *_made(base, paints))


def _originals(base: Dataset, paints: Sequence[Paint | None]) -> Iterator[Work]:
    """Every picture of `emoji`, with captions from what Unicode and the picture hold."""
    names = short_names()
    for index, example in enumerate(base.examples):
        tags, paint = example.tags, paints[index]
        subject, style = tags["subject"], tags["style"]
        coloured = subject
        if paint is not None and _paintable(example) and not _names_a_colour(subject):
            coloured = f"{paint.word} {subject}"
        others = [name for name in names.get(example.name.split("/")[1], ()) if name != subject]
        captions = (
            f"{subject}, {style} style",
            f"{article(subject)}, {style} style",
            f"{article(coloured)}, {style} style",
            f"{others[0] if others else subject}, {tags['group'].lower()}, {style} style",
            article(subject),
        )
        more = {"kind": ORIGINAL, "place": "centre", "count": "1"}
        yield Work(replace(example, captions=captions, tags=dict(tags) | more), _drawing(base, index))


def _made(base: Dataset, paints: Sequence[Paint | None]) -> Iterator[Work]:
    """What is made from the pictures that are learnt from; by chance, the same at every call."""
    train = split(base)[0]
    together = [index for index in train if _paintable(base.examples[index]) and _short(base.examples[index])]
    for index in train:
        example, draw, paint = base.examples[index], _drawing(base, index), paints[index]
        group, style = example.tags["group"], example.tags["style"]
        chance = torch.rand(8, generator=generator("composed", example.name)).tolist()
        if _paintable(example) and paint is not None and not _names_a_colour(example.tags["subject"]):
            colour = _one([name for name in PAINTS if differ(paint, name)], chance[0])
            made = _example(example, colour, kind="recoloured", colour=colour)
            yield Work(made, recoloured(draw, paint, colour))
        if group in MIRRORED and chance[1] < PARTS["mirrored"]:
            yield Work(_example(example, "", kind="mirrored"), mirrored(draw))
        if index in together and chance[2] < PARTS["placed"]:
            place = _one(list(PLACES), chance[3])
            yield Work(_example(example, place, kind="placed", place=place), placed(draw, place))
        if index in together and chance[4] < PARTS["paired"]:
            alike = [i for i in together if base.examples[i].tags["style"] == style and i != index]
            other = _one(alike, chance[5])
            second = base.examples[other]
            tags = {"kind": "paired", "count": "2", "other": second.tags["subject"]}
            yield Work(_example(example, second.digest, **tags), paired(draw, _drawing(base, other)))


def _example(base: Example, what: str, **tags: str) -> Example:
    """A picture made from `base`, on its side of the split."""
    told = dict(base.tags) | {"place": "centre", "count": "1"} | tags
    name = f"{tags['kind']} {what}".strip()
    return replace(
        base,
        name=f"{base.name} {name}",
        captions=(caption(told), f"{described(told)}, {told['style']} style"),
        digest=hashlib.sha256(f"{base.digest} {name}".encode()).hexdigest(),
        tags=told,
    )


def _drawing(base: Dataset, index: int) -> Draw:
    return lambda size, background: base.picture(index, size, background)


def _one(items: Sequence[T], chance: float) -> T:
    """The item at `chance`, in [0, 1), of the way."""
    return items[int(chance * len(items))]


def _paintable(example: Example) -> bool:
    return example.tags["group"] in PAINTABLE


def _names_a_colour(subject: str) -> bool:
    return any(word in subject.split() for word in WORDS)


def _short(example: Example) -> bool:
    """Whether two such names fit into a caption."""
    return len(example.tags["subject"].split()) <= 2
