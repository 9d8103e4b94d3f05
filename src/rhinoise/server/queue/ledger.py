"""Where each job stands: on the disk first, then told to whoever listens."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from rhinoise.server.errors import NotThereError
from rhinoise.server.queue.live import Live, Told
from rhinoise.server.store import ENDED, OPEN, Job, State, Store

REMEMBERED = 16
"""Ended jobs whose events are still told, with their previews; of older ones the end alone."""


class Ledger:
    """The jobs of a store, and what is told of them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.live: dict[str, Live] = {}
        self.remembered: deque[str] = deque()
        """Jobs that have ended, of which the events are kept."""
        self.watchers: list[Callable[[Job], None]] = []
        """Called with every job that is new or has changed its state."""
        for job in store.select(OPEN):
            self.tell(job)

    def get(self, id: str) -> Job:
        """NotThereError where there is none."""
        try:
            return self.store.get(id)
        except KeyError:
            raise NotThereError(f"there is no job {id}") from None

    def becomes(self, id: str, state: State, **values: Any) -> Job:
        """A job's new state."""
        if state in ENDED:
            values["ended"] = time.time()
        job = self.store.set(id, state=state, stopping=None, **values)
        self.tell(job)
        return job

    def tell(self, job: Job) -> None:
        """Tell of its state; of those that ended long ago only that is known from then on."""
        live = self.live.setdefault(job.id, Live())
        live.ended = job.has_ended
        live.tell(_state(job))
        for watcher in self.watchers:
            watcher(job)
        if job.has_ended:
            self.remembered.append(job.id)
        if len(self.remembered) > REMEMBERED:
            old = self.remembered.popleft()
            if old in self.live and self.live[old].ended:
                del self.live[old]

    async def events(self, id: str, after: int = 0) -> AsyncIterator[tuple[int, Told]]:
        """What is told of a job from event `after` on, numbered from 1, until it ends."""
        job, live = self.get(id), self.live.get(id)
        if live is None:  # it ended long ago
            yield after + 1, _state(job)
            return
        async for number, told in live.follow(after):
            yield number, told

    def hang_up(self) -> None:
        """Who listens is told no more."""
        for live in self.live.values():
            live.ended = True
            live.wake()

    def forget(self, ids: Iterable[str]) -> None:
        """Nothing more is told of jobs that the store has forgotten."""
        for id in ids:
            self.live.pop(id, None)


def _state(job: Job) -> Told:
    told: Told = {"event": "state", "state": job.state}
    if job.error is not None:
        told |= {"error": job.error, "sort": job.sort}
    return told | ({"result": job.result} if job.result is not None else {})
