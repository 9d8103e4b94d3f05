"""A peer's training, asked for slice by slice: its clock, its pictures, its state on the disk.

Batches and noise are functions of (seed, step), so that a training which was killed goes on as it would have.
Saving is not counted: that this comparison saves once a minute is no fault of the peer's.
"""

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.quality.clock import Stopwatch
from bench.quality.drawn import draw_chunk, to_uint8

SAVE_SECONDS = 60.0
BATCH = 16


class Peer(ABC):
    """Its networks, its loss, its way to draw."""

    def __init__(self, given: "Given", seed: int) -> None:
        self.given, self.seed = given, seed

    @abstractmethod
    def step(self, number: int, part: float) -> float:
        """One step of training => its loss; `part` is the part of the budget that is used."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that going on needs, in what `torch.load(weights_only=True)` reads."""

    @abstractmethod
    def load_state(self, state: dict[str, Any]) -> None:
        """Take it back."""

    @abstractmethod
    def draw(self, weights: str, rows: range) -> torch.Tensor:
        """Pictures in [-1, 1], "n 3 h w", by the "raw" or the "ema" weights, for these asked captions."""

    @abstractmethod
    def parameters(self) -> int:
        """How many numbers are trained."""

    def batch(self, number: int) -> torch.Tensor:
        """Which pictures a step sees: every one once an epoch, in the epoch's order."""
        count = len(self.given.pictures)
        epoch, place = divmod(number, count // BATCH)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.seed * 10_007 + epoch))
        return order[place * BATCH : (place + 1) * BATCH]

    def images(self, chosen: torch.Tensor) -> torch.Tensor:
        """Pictures in [-1, 1]."""
        return torch.from_numpy(self.given.pictures[chosen.numpy()]).float() / 127.5 - 1


class Given:
    """What everybody trains on: rendered once, never the held-out ones."""

    def __init__(self, folder: Path) -> None:
        self.pictures = np.load(folder / "train.npy", mmap_mode="r", allow_pickle=False)
        self.tokens = torch.from_numpy(np.load(folder / "tokens.npy", allow_pickle=False))
        self.mask = torch.from_numpy(np.load(folder / "mask.npy", allow_pickle=False))
        self.asked_tokens = torch.from_numpy(np.load(folder / "asked_tokens.npy", allow_pickle=False))
        self.asked_mask = torch.from_numpy(np.load(folder / "asked_mask.npy", allow_pickle=False))
        self.text_seconds: dict[str, float] = json.loads((folder / "text_seconds.json").read_text())


class Training:
    """The verbs of a peer's child process."""

    def __init__(self, make: Callable[[Given, int], Peer], *, by_caption: bool) -> None:
        self.make, self.by_caption = make, by_caption

    def verbs(self) -> dict[str, Callable[..., Any]]:
        """What the process answers."""
        return {"open": self.open, "train": self.train, "draw": self.draw}

    def open(self, *, folder: str, given: str, seed: int, minutes: float, clock: str) -> dict[str, Any]:
        """Begin, or take up what is in `folder`; `minutes` is the budget."""
        self.folder, self.clock, self.budget, self.seed = Path(folder), clock, 60 * minutes, seed
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        everything = Given(Path(given))
        self.peer = self.make(everything, seed)
        self.number, self.loss, kept = 0, float("nan"), None
        if self.file.is_file():
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            self.peer.load_state(state["peer"])
            self.number, self.loss, kept = state["step"], state["loss"], state["seconds"]
        self.stopwatch, self.saved = Stopwatch(kept), time.monotonic()
        if kept is None and self.by_caption:
            for name, seconds in everything.text_seconds.items():
                self.stopwatch.total[name] += seconds
        return self.facts()

    @property
    def file(self) -> Path:
        """Where the state is."""
        return self.folder / "state.pt"

    def facts(self) -> dict[str, Any]:
        """Where the training stands."""
        return {
            "seconds": self.stopwatch.kept(),
            "done": self.stopwatch.seconds(self.clock) >= self.budget,
            "steps": self.number,
            "images": self.number * BATCH,
            "loss": self.loss,
            "parameters": self.peer.parameters(),
        }

    def train(self, *, slice_seconds: float) -> dict[str, Any]:
        """Go on for so many seconds of the wall, or to the end of the budget."""
        stop = time.monotonic() + slice_seconds
        with self.stopwatch.running():
            while time.monotonic() < stop and (used := self.stopwatch.seconds(self.clock)) < self.budget:
                torch.manual_seed(self.seed * 1_000_003 + self.number)
                self.loss = self.peer.step(self.number, used / self.budget)
                self.number += 1
        facts = self.facts()
        if facts["done"] or time.monotonic() - self.saved > SAVE_SECONDS:
            self.save()
        return facts

    def save(self) -> None:
        """Write the state, whole or not at all."""
        temporary = self.file.with_suffix(".tmp")
        state = {
            "peer": self.peer.state(),
            "step": self.number,
            "loss": self.loss,
            "seconds": self.stopwatch.kept(),
        }
        with temporary.open("wb") as out:
            torch.save(state, out)
            os.fsync(out.fileno())
        os.replace(temporary, self.file)
        self.saved = time.monotonic()

    def draw(self, *, weights: str, first: int, captions: list[str], out: str) -> None:
        """Draw these of the asked captions (known by their place) into `out`."""

        def pictures() -> np.ndarray:
            torch.manual_seed(first)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                drawn = self.peer.draw(weights, range(first, first + len(captions)))
            return to_uint8(drawn.float().numpy())

        draw_chunk(Path(out), first, pictures)
