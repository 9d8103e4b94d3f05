"""What everybody is given: the same pictures, rendered once, and the captions to draw afterwards."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.quality.clock import CLOCKS
from rhinoise.core.files import read_json, replacing, write_json
from rhinoise.data.dataset import split
from rhinoise.data.pixels import Preparation, preparing
from rhinoise.data.sources import open_dataset
from rhinoise.nets.text import FrozenTextEncoder

SOURCE = "emoji"
SIZE = 64
CONTEXT = 16
GALLERY = 256
"""Training pictures among which a drawn training caption looks for its own."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """All pictures, who may see them, and which captions are drawn in the end."""

    array: np.ndarray
    """uint8 "n 3 64 64"."""
    captions: list[str]
    train: list[int]
    held_out: list[int]
    asked: list[int]
    """Rows whose captions are drawn: held-out ones first, half of all at most; then training ones."""

    @property
    def asked_captions(self) -> list[str]:
        """What is drawn."""
        return [self.captions[row] for row in self.asked]

    @property
    def asked_held_out(self) -> int:
        """How many of the asked are held out."""
        return len(set(self.asked) & set(self.held_out))

    def gallery(self) -> list[int]:
        """GALLERY training pictures, the asked ones first."""
        seen = self.asked[self.asked_held_out :]
        others = [row for row in spread(self.train, GALLERY) if row not in set(seen)]
        return [*seen, *others][:GALLERY]


def spread(rows: list[int], count: int) -> list[int]:
    """At most `count` of them, evenly from first to last."""
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
    return [rows[place] for place in chosen]


def prepare(cache: Path, given: Path, samples: int) -> Pictures:
    """Render (or find) the pictures; write into `given` what the peers read."""
    dataset = open_dataset(SOURCE)
    work = preparing(dataset, Preparation(size=SIZE), cache / "pictures")
    while True:
        try:
            next(work)
        except StopIteration as end:
            prepared = end.value
            break
    train, held_out = split(prepared.dataset)
    captions = [example.captions[0] for example in prepared.dataset.examples]
    first = spread(held_out, samples // 2)
    pictures = Pictures(
        array=prepared.array,
        captions=captions,
        train=train,
        held_out=held_out,
        asked=[*first, *spread(train, samples - len(first))],
    )
    _give(pictures, given)
    return pictures


def _give(pictures: Pictures, given: Path) -> None:
    """Arrays on the disk: the training pictures, MiniLM's states of their captions, and of the asked ones."""
    facts = {"asked": pictures.asked_captions}
    if (given / "facts.json").is_file() and read_json(given / "facts.json") == facts:
        return
    began = {name: now() for name, now in CLOCKS.items()}
    encoder = FrozenTextEncoder.named("minilm", context=CONTEXT)
    told = encoder.encode([pictures.captions[row] for row in pictures.train])
    # Their time is a part of the budget of whoever is told captions.
    write_json(given / "text_seconds.json", {name: now() - began[name] for name, now in CLOCKS.items()})
    asked = encoder.encode([*pictures.asked_captions, ""])
    arrays = {
        "train": pictures.array[pictures.train],
        "tokens": told.tokens.half().numpy(),
        "mask": told.mask.numpy(),
        "asked_tokens": asked.tokens.half().numpy(),
        "asked_mask": asked.mask.numpy(),
    }
    for name, array in arrays.items():
        with replacing(given / f"{name}.npy") as temporary, temporary.open("wb") as out:
            np.save(out, array)
    write_json(given / "facts.json", facts)
