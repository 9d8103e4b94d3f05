"""What is told of a job while it is done: numbered events for who listens, also from the middle on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

MOST_ALIKE = 100
"""Events of one sort that are kept for who comes late: a training tells of its steps for days."""
MOST_PREVIEWS = 4
"""Of these fewer: they hold pictures."""

Told = dict[str, Any]


class Live:
    """One job's events, and what the queue knows of it; gone with the server."""

    def __init__(self) -> None:
        self.events: dict[int, Told] = {}
        """By number, from 1 on; older ones of a sort make room for newer ones."""
        self.last = 0
        self.ended = False
        """Whether nothing more will be told."""
        self.began = 0.0
        """When it was handed to a worker, on the monotonic clock."""
        self.is_steady = False
        """Whether it has gone on for long since then."""
        self.stopping: Told | None = None
        """What it becomes when it has stopped, as it was told to."""
        self.told_to = 0.0
        """When that was."""
        self._listeners: set[asyncio.Event] = set()

    def begins(self, now: float) -> None:
        """A worker is at it from now on."""
        self.began, self.is_steady, self.stopping = now, False, None

    def tell(self, told: Told) -> None:
        """One event more."""
        self.last += 1
        self.events[self.last] = told
        alike = [number for number, old in self.events.items() if old["event"] == told["event"]]
        if len(alike) > (MOST_PREVIEWS if told["event"] == "preview" else MOST_ALIKE):
            del self.events[alike[0]]
        self.wake()

    def wake(self) -> None:
        """Who listens looks again."""
        for news in self._listeners:
            news.set()

    async def follow(self, after: int = 0) -> AsyncIterator[tuple[int, Told]]:
        """The events after number `after`, as they come, until it has ended.

        From the first on, where there is no such number: it was another server's.
        """
        at = after if 0 <= after <= self.last else 0
        news = asyncio.Event()
        self._listeners.add(news)
        try:
            while True:
                news.clear()
                for number, told in [item for item in self.events.items() if item[0] > at]:
                    at = number
                    yield number, told
                if at == self.last:
                    if self.ended:
                        return
                    await news.wait()
        finally:
            self._listeners.discard(news)
