"""Models that a process keeps open, so that the next request need not read them again.

A command opens one model and is over; who lives longer says how many it has memory for (`keep_open`). A kept
model is everybody's: nothing may change it in place.
"""

from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from rhinoise.core.backend import Precision
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.storage.run_folder import model_in

Stamp = frozenset[tuple[Path, int, int, int]]
"""What tells a folder's files from those that another training puts in their place."""


class _Opened:
    """The models that were asked for last, at most `most`, each as long as its files stay what they were."""

    def __init__(self) -> None:
        self.most = 0
        self.models: OrderedDict[tuple[Path, Precision], tuple[Stamp, LatentDiffusion]] = OrderedDict()

    def open(self, folder: Path, precision: Precision) -> LatentDiffusion:
        key, stamp = (folder.resolve(), precision), stamp_of(model_in(folder))
        before, model = self.models.pop(key, (None, None))
        if model is None or before != stamp:
            model = None
            # First, or there would be one more in memory than was asked for.
            self.forget(down_to=max(self.most - 1, 0))
            model = LatentDiffusion.load(folder, precision=precision)
        self.models[key] = stamp, model
        self.forget(down_to=self.most)
        return model

    def forget(self, *, down_to: int) -> None:
        """Let those go that were not asked for the longest."""
        while len(self.models) > down_to:
            self.models.popitem(last=False)


_OPENED = _Opened()


def keep_open(most: int) -> None:
    """From now on this process keeps the last `most` models open; 0, as it is to begin with, keeps none."""
    _OPENED.most = most
    _OPENED.forget(down_to=most)


def opened(folder: Path, precision: Precision) -> LatentDiffusion:
    """The model of a run, or of a model folder; a kept one where it is in there still."""
    return _OPENED.open(folder, precision)


def stamp_of(folder: Path) -> Stamp:
    """What a folder's files are now: of each its name, size, time and number."""
    found = set()
    for file in folder.rglob("*"):
        # A training may put a new folder in its place at this very moment.
        with suppress(FileNotFoundError):
            about = file.stat()
            found.add((file.relative_to(folder), about.st_size, about.st_mtime_ns, about.st_ino))
    return frozenset(found)
