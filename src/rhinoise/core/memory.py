"""How much memory there is, and how much something takes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

INTERVAL = 0.002
"""Seconds between two looks at what this process holds."""
CGROUPS = Path("/sys/fs/cgroup")
LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""A container's files, version 2 and 1: what it may hold, what it holds, and what of that is only a cache."""


def free_memory() -> int:
    """Bytes that may still be taken: what the machine has left, or a container where that is less."""
    return min(
        [psutil.virtual_memory().available, *_left_in(_containers(Path("/proc/self/cgroup"), CGROUPS))]
    )


class Growth:
    """The most that this process held beyond what it held at the start, in bytes."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.start = self.most = self.process.memory_info().rss

    def look(self) -> None:
        """See what it holds now."""
        self.most = max(self.most, self.process.memory_info().rss)

    @property
    def bytes(self) -> int:
        """So far."""
        return self.most - self.start


@contextmanager
def watched(growth: Growth) -> Iterator[None]:
    """Within, a thread looks again and again."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(INTERVAL):
            growth.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        growth.look()


def _containers(own: Path, root: Path) -> Iterator[Path]:
    """The folders of the containers that this process is in, from `own`, where Linux lists them."""
    if not own.is_file():
        return
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            inside = root / controllers / path.lstrip("/")
            yield from (inside, *inside.parents)


def _left_in(folders: Iterator[Path]) -> Iterator[int]:
    """What each of these containers that has a limit may still take."""
    for folder in folders:
        for limit, held, cache in LIMITS:
            if (folder / limit).is_file() and (most := (folder / limit).read_text().strip()) != "max":
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                yield int(most) - int((folder / held).read_text()) + int(stat.get(cache, 0))
