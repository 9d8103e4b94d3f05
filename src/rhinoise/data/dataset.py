"""What every source of captioned pictures gives, and which of them are held out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from rhinoise.core.images import WHITE, Colour, Header

MIN_TO_HOLD_OUT = 20
"""With fewer pictures every one is needed for training; 5 % of them would be less than one."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A picture by name, what is said of it, and what identifies it."""

    name: str
    captions: tuple[str, ...]
    digest: str
    """SHA-256 of the picture's bytes, in hex."""
    split_key: str | None = None
    """What decides training or held out, where that is not the picture's bytes."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What else is known of it. Pictures of one `subject` are never all held out."""
    header: Header | None = None
    """What its file says of itself; None for a picture that is drawn."""


@dataclass(frozen=True)
class Skipped:
    """A picture that was left out, and why, in words for people."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Licence:
    """What may be done with some of the pictures, and whom to name."""

    work: str
    holder: str
    name: str
    """An SPDX identifier."""
    url: str


Read = Callable[[int, int | None, Colour], Image.Image]
"""(index, smallest side wanted, background) => an RGB picture; PictureError when it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Captioned pictures, in a fixed order, read one by one."""

    name: str
    examples: tuple[Example, ...]
    read: Read
    skipped: tuple[Skipped, ...] = ()
    licences: tuple[Licence, ...] = ()
    """Of the pictures, where they are known."""
    model_licence: str | None = None
    """What these licences ask of models trained on the pictures, an SPDX identifier; None: not known."""

    def __len__(self) -> int:
        return len(self.examples)

    def picture(self, index: int, size: int | None = None, background: Colour = WHITE) -> Image.Image:
        """One picture in RGB; PictureError when it cannot be read.

        With `size` a source may decode or draw it at that scale: both sides have at least `size` pixels where
        the original has. A drawn source (emoji) gives exactly `size` x `size`.
        """
        return self.read(index, size, background)

    def subset(self, indices: Sequence[int]) -> "Dataset":
        """The chosen pictures, in the given order, as a data set of their own."""
        chosen = tuple(indices)
        return replace(
            self,
            examples=tuple(self.examples[index] for index in chosen),
            read=lambda index, size, background: self.read(chosen[index], size, background),
        )


def split(dataset: Dataset, fraction: float = 0.05) -> tuple[list[int], list[int]]:
    """Indices (for training, held out): about `fraction` is held out, chosen by content alone.

    A picture's side depends on its bytes (or its `split_key`), not on its name, its place or the number of
    the others. Copies stay together; where their keys differ, in training. Of the pictures with the same tag
    `subject` at most one is held out. From 20 pictures on at least one is held out (unless all are copies);
    below that, none.
    """
    keys = [example.split_key or example.digest for example in dataset.examples]
    draws = _draws(dataset.examples, keys)
    if len(keys) < MIN_TO_HOLD_OUT or len(set(keys)) == 1 or not draws or fraction == 0:
        return list(range(len(keys))), []
    chosen = {key for key, draw in draws.items() if draw < fraction} or {min(draws, key=draws.__getitem__)}
    for siblings in _by_subject(dataset.examples, keys):
        chosen -= set(sorted(siblings & chosen, key=draws.__getitem__)[1:])
    train = [index for index, key in enumerate(keys) if key not in chosen]
    return train, [index for index, key in enumerate(keys) if key in chosen]


def _draws(examples: Sequence[Example], keys: Sequence[str]) -> dict[str, float]:
    """Each key that may be held out => a number in [0, 1) that is a function of it."""
    of_digest: dict[str, set[str]] = {}
    for example, key in zip(examples, keys, strict=True):
        of_digest.setdefault(example.digest, set()).add(key)
    copied = {key for copies in of_digest.values() if len(copies) > 1 for key in copies}
    return {
        key: int.from_bytes(hashlib.sha256(f"split/{key}".encode()).digest()[:8]) / 2**64
        for key in set(keys) - copied
    }


def _by_subject(examples: Sequence[Example], keys: Sequence[str]) -> list[set[str]]:
    """The keys of each subject that is tagged."""
    subjects: dict[str, set[str]] = {}
    for example, key in zip(examples, keys, strict=True):
        if "subject" in example.tags:
            subjects.setdefault(example.tags["subject"], set()).add(key)
    return list(subjects.values())
