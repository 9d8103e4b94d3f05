"""How long a training has taken, over all its sessions."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}
"""What a budget is told in. On a machine that does other work too, one thread's `cpu` is the honest one."""


class Stopwatch:
    """Seconds on both clocks. The first session counts from its process's start: imports take time."""

    def __init__(self, kept: dict[str, float] | None) -> None:
        """Go on from what was kept, or begin."""
        began = {"wall": time.time() - psutil.Process().create_time(), "cpu": time.process_time()}
        self.total = began if kept is None else dict(kept)
        self.started: dict[str, float] | None = None

    def seconds(self, clock: str) -> float:
        """How long it has been."""
        running = 0.0 if self.started is None else CLOCKS[clock]() - self.started[clock]
        return self.total[clock] + running

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time counts within."""
        self.started = {name: now() for name, now in CLOCKS.items()}
        try:
            yield
        finally:
            self.total, self.started = self.kept(), None

    def kept(self) -> dict[str, float]:
        """What to go on from."""
        return {name: self.seconds(name) for name in CLOCKS}
