"""Two hundred prompts that ask whether a model has learnt a language: half of them were never trained on.

Each says what its picture must show, so that a judge can score it. Every word of an unseen prompt occurs in
the training part of `emoji_composed`; the combination does not.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch

from rhinoise.core.random import generator
from rhinoise.data.colours import PAINTS
from rhinoise.data.composed import PLACES, caption, open_composed
from rhinoise.data.dataset import split

SEEN = {"original": 25, "recoloured": 35, "placed": 20, "paired": 20}
UNSEEN = {"original": 20, "recoloured": 30, "placed": 20, "paired": 20, "recoloured and placed": 10}
"""Kind of picture => how many prompts ask for one. An unseen "original" is a held-out (subject, style)."""

Tags = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SuitePrompt:
    """A prompt and what its picture must show; None where it does not say."""

    prompt: str
    subject: str
    style: str
    colour: str | None = None
    place: str | None = None
    other: str | None = None
    """The second subject, right of the first."""
    seen: bool


def suite() -> tuple[SuitePrompt, ...]:
    """The 200 prompts, the seen ones first; the same at every call."""
    dataset = open_composed()
    train, held_out = ([dataset.examples[i] for i in part] for part in split(dataset))
    known = {caption for example in train for caption in example.captions}
    seen = _seen([example.tags for example in train if plain(example.tags)])
    new = _unseen(
        [example.tags for example in train if plain(example.tags)],
        [example.tags for example in held_out if plain(example.tags)],
        known,
    )
    return (*(asked(tags, seen=True) for tags in seen), *(asked(tags, seen=False) for tags in new))


def _seen(train: Sequence[Tags]) -> Iterator[Tags]:
    """Tags of training pictures, each subject at most once a kind."""
    for kind, number in SEEN.items():
        yield from _some([tags for tags in train if tags["kind"] == kind], number, f"seen {kind}")


def _unseen(train: Sequence[Tags], held_out: Sequence[Tags], known: Container[str]) -> Iterator[Tags]:
    """Held-out pictures' tags, and tags whose caption no training picture has."""
    yield from _some(held_out, UNSEEN["original"], "unseen original")
    painted = [tags for tags in train if tags["kind"] == "recoloured"]
    for kind in ("recoloured", "placed", "paired", "recoloured and placed"):
        made = (_made(kind, turn, base, painted) for turn, base in enumerate(_some(painted, 200, kind)))
        yield from islice((tags for tags in made if caption(tags) not in known), UNSEEN[kind])


def _made(kind: str, turn: int, base: Tags, painted: Sequence[Tags]) -> Tags:
    """Tags of that kind for the subject of `base`; colours and places take turns."""
    tags = {"kind": kind, "subject": base["subject"], "style": base["style"]}
    if "recoloured" in kind:
        tags["colour"] = list(PAINTS)[turn % len(PAINTS)]
    if "placed" in kind:
        tags["place"] = list(PLACES)[turn % len(PLACES)]
    if kind == "paired":
        others = [other["subject"] for other in painted if other["subject"] != base["subject"]]
        tags["other"] = _some(others, 1, f"other of {base['subject']}")[0]
    return tags


def asked(tags: Tags, *, seen: bool) -> SuitePrompt:
    """The prompt for a picture with these tags."""
    place = tags.get("place") if "placed" in tags["kind"] else None
    return SuitePrompt(
        prompt=caption(tags),
        subject=tags["subject"],
        style=tags["style"],
        colour=tags.get("colour"),
        place=place,
        other=tags.get("other"),
        seen=seen,
    )


def plain(tags: Tags) -> bool:
    """Subjects of one word, but no flags and no people: what anybody would call a thing."""
    return tags["subject"].isalpha() and tags["group"] not in ("Flags", "People & Body", "Component")


def _some(items: Sequence[T], number: int, key: str) -> list[T]:
    """At most `number` of these, by chance, the same at every call."""
    order = torch.randperm(len(items), generator=generator("suite", key)).tolist()
    return [items[place] for place in order[:number]]
