"""A judge of small pictures, taught by real ones alone: it never sees what a generator draws.

subject, style, count   linear discriminants of what `Sight` sees of every picture of `emoji_composed`
colour, place           measured: the commonest paint, and where the ink is

A pair's subjects are looked for in its left and right halves. Some real pictures are kept from the judge: how
often it is right of these is the ceiling that a score has to be read beside.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from rhinoise.core.files import replacing
from rhinoise.core.images import from_uint8, to_uint8
from rhinoise.core.shapes import Images
from rhinoise.data.colours import commonest_paint
from rhinoise.data.composed import ORIGINAL, PLACES, SMALL
from rhinoise.data.dataset import Example
from rhinoise.evaluation.discriminant import Discriminant, fitted
from rhinoise.evaluation.sight import Boxes, boxes
from rhinoise.evaluation.spaces import Space, embedded

SIZE = 64
"""Pixels a side at which pictures are judged, whatever size they were drawn at."""
KEPT_BACK = 0.1
"""The part of the pictures made from others that the judge is not taught by, and is examined on."""
FIRST = 5
"""Subjects that are told of a picture, the likeliest first."""
LARGEST = 0.56
"""Half of a small picture's longer side at most, in [-1, 1]: real ones have 0.5, 99 % of others over 0.6."""

Half = Literal["left", "right"]
Pixels = UInt8[np.ndarray, "_ 3 s s"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the judge takes a picture for."""

    subjects: tuple[str, ...]
    """Of the whole, the likeliest first; so are those of the halves."""
    left: tuple[str, ...]
    right: tuple[str, ...]
    style: str
    count: int
    colour: str | None
    place: str | None
    """None: it is not small."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Three discriminants, and the names of their classes."""

    subject: Discriminant
    style: Discriminant
    count: Discriminant
    subjects: tuple[str, ...]
    styles: tuple[str, ...]

    def look(self, sight: Space, images: Images) -> list[Seen]:
        """What each picture shows, at SIZE and in bytes, as it would be saved."""
        pixels = _sized(images).numpy()
        whole, left, right = (
            embedded(sight, from_uint8(torch.from_numpy(part)))
            for part in (pixels, half(pixels, "left"), half(pixels, "right"))
        )
        rows = zip(
            *(self._names(part) for part in (whole, left, right)),
            (self.styles[i] for i in self.style(whole).argmax(dim=1).tolist()),
            (1 + i for i in self.count(whole).argmax(dim=1).tolist()),
            (commonest_paint(picture.transpose(1, 2, 0)) for picture in pixels),
            places(boxes(from_uint8(torch.from_numpy(pixels)))),
            strict=True,
        )
        return [
            Seen(subjects=a, left=b, right=c, style=style, count=count, colour=colour, place=place)
            for a, b, c, style, count, colour, place in rows
        ]

    def _names(self, features: Float[Tensor, "n f"]) -> Iterator[tuple[str, ...]]:
        first = min(FIRST, len(self.subjects))
        for row in self.subject(features).topk(first, dim=1).indices.tolist():
            yield tuple(self.subjects[number] for number in row)

    def save(self, file: Path, facts: Mapping[str, Any]) -> None:
        """Write it, and what is known of it, as safetensors."""
        tensors = {f"{name}.{part}": value for name, part, value in self._tensors()}
        told = {"subjects": self.subjects, "styles": self.styles, "facts": dict(facts)}
        with replacing(file) as temporary:
            save_file(tensors, temporary, metadata={"judge": json.dumps(told)})

    def _tensors(self) -> Iterator[tuple[str, str, Tensor]]:
        for name, head in (("subject", self.subject), ("style", self.style), ("count", self.count)):
            yield name, "weights", head.weights
            yield name, "bias", head.bias


def open_judge(file: Path) -> tuple[Judge, dict[str, Any]]:
    """The judge of a file that `Judge.save` wrote, and what was said of it."""
    with safe_open(file, framework="pt") as opened:
        told = json.loads(opened.metadata()["judge"])
        subject, style, count = (
            Discriminant(weights=opened.get_tensor(f"{name}.weights"), bias=opened.get_tensor(f"{name}.bias"))
            for name in ("subject", "style", "count")
        )
    judge = Judge(
        subject=subject,
        style=style,
        count=count,
        subjects=tuple(told["subjects"]),
        styles=tuple(told["styles"]),
    )
    return judge, told["facts"]


# --- what it is taught by


def kept_back(example: Example) -> bool:
    """Whether a picture is for the examination: by chance, but none that others are made from."""
    chance = int.from_bytes(hashlib.sha256(f"judge/{example.digest}".encode()).digest()[:8]) / 2**64
    return example.tags["kind"] != ORIGINAL and chance < KEPT_BACK


def taught(
    examples: Sequence[Example],
    whole: Float[Tensor, "n f"],
    left: Float[Tensor, "p f"],
    right: Float[Tensor, "p f"],
    shrunken: Float[Tensor, "o f"],
) -> Judge:
    """The judge that these pictures make.

    `whole[i]` is what is seen of picture i; `left` and `right` what is seen of the halves of those that show
    two subjects, in their order; `shrunken` what is seen of the originals, as small as these are in pairs:
    with them 87.5 % of real pictures are told among 1,918 subjects, without 82.4 %.
    """
    tags = [example.tags for example in examples]
    pairs = [i for i, own in enumerate(tags) if own["count"] == "2"]
    single = [i for i, own in enumerate(tags) if own["count"] == "1"]
    originals = [i for i, own in enumerate(tags) if own["kind"] == ORIGINAL]
    subjects, styles = (sorted({own[what] for own in tags}) for what in ("subject", "style"))
    shown = [
        *(tags[i]["subject"] for i in single),
        *(tags[i]["subject"] for i in pairs),
        *(tags[i]["other"] for i in pairs),
        *(tags[i]["subject"] for i in originals),
    ]
    features = torch.cat([whole[single], left, right, shrunken])
    return Judge(
        subject=fitted(features, _numbers(shown, subjects), len(subjects)),
        style=fitted(whole, _numbers([own["style"] for own in tags], styles), len(styles)),
        count=fitted(whole, _numbers([own["count"] for own in tags], ["1", "2"]), 2),
        subjects=tuple(subjects),
        styles=tuple(styles),
    )


def _numbers(names: Sequence[str], among: Sequence[str]) -> Int[Tensor, "n"]:
    number = {name: i for i, name in enumerate(among)}
    return torch.tensor([number[name] for name in names])


# --- pictures


def half(pixels: Pixels, side: Half) -> Pixels:
    """One half of each picture; the other is blank."""
    middle = pixels.shape[-1] // 2
    blank = pixels.copy()
    blank[..., slice(middle, None) if side == "left" else slice(None, middle)] = 255
    return blank


def shrunk(pixels: Pixels) -> Pixels:
    """Each picture half as large, in the middle of a white one."""
    small = F.interpolate(from_uint8(torch.from_numpy(pixels)), scale_factor=0.5, mode="area")
    return to_uint8(F.pad(small, [pixels.shape[-1] // 4] * 4, value=1.0)).numpy()


def places(found: Boxes) -> list[str | None]:
    """Which of PLACES each small picture stands at; None where the picture is not small."""
    centres = 2 * torch.tensor([_centre(*room) for room in PLACES.values()]) - 1
    nearest = torch.cdist(torch.stack([found.x, found.y], dim=1), centres).argmin(dim=1)
    small = (found.half <= LARGEST).tolist()
    return [
        list(PLACES)[i] if is_small else None for i, is_small in zip(nearest.tolist(), small, strict=True)
    ]


def _centre(across: float, down: float) -> tuple[float, float]:
    """Of a small picture at a place, from 0 to 1."""
    return SMALL / 2 + across * (1 - SMALL), SMALL / 2 + down * (1 - SMALL)


def _sized(images: Images) -> UInt8[Tensor, "b 3 s s"]:
    """[-1, 1] => bytes at SIZE."""
    saved = from_uint8(to_uint8(images))
    return to_uint8(F.interpolate(saved, size=(SIZE, SIZE), mode="area"))
