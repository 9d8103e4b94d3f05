"""The lab book of a run: chapters of plain blocks, as one page and as JSON.

What was measured comes in as records; `explain.chapters` makes a chapter of each, with that run's own numbers
in its sentences, and `explain.advice` says what to try next. A chapter that has nothing to show says why, in
a sentence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch.nn.functional as F
from markupsafe import Markup

from rhinoise.core.images import to_pil
from rhinoise.core.shapes import Images
from rhinoise.explain.pages.page import data_uri, render

SHOWN = 128
"""Pixels a side that pictures have in the page, at most; smaller ones are in it to the pixel."""

STRIP = "6rem"
"""How wide a picture of a strip is, in CSS."""


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    kind: ClassVar[str] = "words"
    text: str


@dataclass(frozen=True)
class Missing:
    """Why something is not shown, and how to get it."""

    kind: ClassVar[str] = "missing"
    text: str


@dataclass(frozen=True)
class Command:
    """What to type."""

    kind: ClassVar[str] = "command"
    text: str


@dataclass(frozen=True)
class Heading:
    """What the next blocks are of."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Drawing:
    """A figure, and what to see in it."""

    kind: ClassVar[str] = "drawing"
    svg: Markup
    caption: str


@dataclass(frozen=True)
class Drawings:
    """Figures side by side where there is room."""

    kind: ClassVar[str] = "drawings"
    each: Sequence[Drawing]


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, each {uri, text}, as wide as CSS says, and what to see in them."""

    kind: ClassVar[str] = "gallery"
    pictures: Sequence[Mapping[str, str]]
    caption: str
    width: str = "7rem"


@dataclass(frozen=True)
class Sheet:
    """One large picture; a film is not printed."""

    kind: ClassVar[str] = "sheet"
    uri: str
    alt: str
    caption: str
    film: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of text under a head."""

    kind: ClassVar[str] = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Facts:
    """Name => value."""

    kind: ClassVar[str] = "facts"
    known: Mapping[str, str]


Block = Words | Missing | Command | Heading | Drawing | Drawings | Gallery | Sheet | Table | Facts


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A stage of the run: what it is, for somebody who has never heard of it, and what there is to see."""

    name: str
    """In the page's links, and in the JSON file."""
    title: str
    about: str
    blocks: Sequence[Block]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """Everything that is said, as plain JSON; empty where there is nothing."""


def left_out(name: str, title: str, about: str, why: str) -> Chapter:
    """A chapter of one sentence."""
    return Chapter(name=name, title=title, about=about, blocks=[Missing(why)], numbers={"left out": why})


@dataclass(frozen=True, kw_only=True)
class Book:
    """A run, as it is told."""

    title: str
    lede: str
    facts: Mapping[str, str]
    chapters: Sequence[Chapter]
    whole: bool
    """Whether the model was asked; else the run's own records are all that is told."""
    laps: Mapping[str, float] = field(default_factory=dict)
    """What asking took, in seconds by chapter."""

    def page(self) -> str:
        """One file of HTML that needs nothing else."""
        return render("report.html.j2", book=self)

    def numbers(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {
            "title": self.title,
            "whole": self.whole,
            "facts": dict(self.facts),
            **{chapter.name: dict(chapter.numbers) for chapter in self.chapters},
            "seconds": dict(self.laps),
        }


def pictures(images: Images, texts: Sequence[str]) -> list[dict[str, str]]:
    """Pictures in [-1, 1] as a gallery takes them, with a line under each."""
    images = images.float().cpu()
    high, wide = images.shape[2:]
    if high > SHOWN:
        images = F.interpolate(images, (SHOWN, round(wide * SHOWN / high)), mode="bilinear", antialias=True)
    small = high <= SHOWN // 2  # there lossless is small enough, and fine lines stay
    return [
        {"uri": data_uri(image, lossless=small), "text": text}
        for image, text in zip(to_pil(images.clamp(-1, 1)), texts, strict=True)
    ]
