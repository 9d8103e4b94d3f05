"""The queue at work: accepts jobs, hands them to the worker, tells who listens, keeps what came of them.

One drawing (or look into a model) is under way at a time, and one training beside it, which gives way to
drawings at every step. Drawings of one shape that wait together go as one batch.
"""

import asyncio
import contextlib
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rhinoise.core.errors import RhinoiseError
from rhinoise.server.asks import KINDS, AnyAsk, shape
from rhinoise.server.link import WorkerLink
from rhinoise.server.registry import Registry
from rhinoise.server.settings import ServeConfig
from rhinoise.server.store import ENDED, OPEN, Job, Store

BATCH = 16
"""Pictures that are drawn at a time, as `pipeline.latent_diffusion.BATCH`."""
ATTEMPTS = 3
"""How often a job is begun: one that takes the worker down each time is given up."""
STOP_SECONDS = 30.0
"""What a job has to stop in when it is told to; then the worker is ended."""

Told = dict[str, Any]


class QueueFullError(RhinoiseError):
    """More jobs wait than the server takes on."""


class NotThereError(RhinoiseError):
    """A job, file or model that there is not."""


class NotNowError(RhinoiseError):
    """What cannot be done to a job in its state."""


@dataclass
class Live:
    """What is known of a job that has not ended, or did while this server ran; gone with it."""

    events: list[Told] = field(default_factory=list)
    """Everything that was told of it; an event's number is its place."""
    listeners: set[asyncio.Event] = field(default_factory=set)
    """Set when something was told."""
    began: float = 0.0
    """When it was handed to the worker, on the monotonic clock."""
    stopping: Told | None = None
    """What it becomes when it has stopped, as it was told to."""
    told_to: float = 0.0
    """When that was."""


class Jobs:
    """The queue of one server."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        for folder in (config.jobs, config.uploads, config.runs):
            folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(config.data / "jobs.sqlite")
        self.registry = Registry(config)
        self.facts: Mapping[str, Any] | None = None
        """What the worker knows (`facts.facts`); None until it has said so."""
        self.ready = asyncio.Event()
        self.live: dict[str, Live] = {}
        self.drawing: set[str] = set()
        self.training: str | None = None
        self.worker = WorkerLink(self._heard, self._lost)
        self.tasks: list[asyncio.Task[None]] = []

    # --- life

    async def start(self) -> None:
        """Start the worker; what waited before the server ended goes on."""
        self.worker.start()
        self.tasks.append(asyncio.create_task(self._watch()))

    async def close(self) -> None:
        """End the worker; what was under way waits for the next start."""
        for task in self.tasks:
            task.cancel()
        await self.worker.close()
        self.store.close()

    # --- for interfaces

    def submit(self, ask: AnyAsk, *, files: Mapping[str, bytes] = {}, source: str = "") -> Job:
        """Accept a job; when this returns it is on the disk.

        Args:
            ask: what is asked for.
            files: field => the bytes of the picture that it means, checked; fields that name files of
                uploads or jobs are read here.
            source: which interface asks.

        Raises:
            QueueFullError: too many wait.
            NotThereError: no such model, file or source.
        """
        limits = self.config.limits
        if self.store.count(OPEN) >= limits.queue:
            raise QueueFullError(f"{limits.queue} jobs are waiting already: try again later")
        kind, id = ask.kind, secrets.token_hex(16)
        request = ask.model_dump(mode="json", exclude={"kind"})
        if "model" in request:
            request["model"] = self.registry.model(request["model"])
        if request.get("seed", 0) is None:
            request["seed"] = secrets.randbelow(2**31)
        if kind == "train":
            self.registry.check_free(request["name"], self.store.select(OPEN, ["train"]))
        self.registry.placed(request, Path())  # refuses what there is not
        given = self._given(id)
        for name in KINDS[kind].files:
            data = files.get(name)
            if data is None and request[name] is not None:
                data = self.file(request[name]).read_bytes()
            if data is not None:
                given.mkdir(parents=True, exist_ok=True)
                (given / name).write_bytes(data)
                request[name] = name
        job = self.store.add(id, kind, request, source)
        self.live[id] = Live()
        self._hand_out()
        return job

    def get(self, id: str) -> Job:
        """NotThereError where there is none."""
        try:
            return self.store.get(id)
        except KeyError:
            raise NotThereError(f"there is no job {id}") from None

    def _given(self, id: str) -> Path:
        """The files that a job was given."""
        return self.config.jobs / id / "in"

    def given(self, job: Job, field: str) -> bytes:
        """The picture that a field of the job's request means."""
        return (self._given(job.id) / field).read_bytes()

    def folder(self, job: Job) -> Path:
        """What it writes to."""
        if job.kind == "train":
            return self.config.runs / job.request["name"]
        return self.config.jobs / job.id / "out"

    def file(self, name: str) -> Path:
        """What `upload:ID` or `job:ID/NAME` means; NotThereError where there is none."""
        kind, _, rest = name.partition(":")
        if kind == "upload":
            path = self.config.uploads / rest
        else:
            id, _, inside = rest.partition("/")
            path = self.made(self.get(id), inside)
        if not path.is_file():
            raise NotThereError(f"there is no file {name}")
        return path

    def made(self, job: Job, name: str) -> Path:
        """A file that the job made, by its name; NotThereError where it made none of that name."""
        folder = self.folder(job).resolve()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            raise NotThereError(f"the job {job.id} has made no file {name}")
        return path

    def cancel(self, id: str) -> Job:
        """End a job at its next step; what it has made stays."""
        return self._stop(id, "cancelled")

    def pause(self, id: str) -> Job:
        """Put a training off; it saves, and `resume` goes on from there."""
        if not KINDS[self.get(id).kind].long:
            raise NotNowError("only trainings can be paused")
        return self._stop(id, "paused")

    def resume(self, id: str) -> Job:
        """Go on with a training that was paused, cancelled or has failed."""
        job = self.get(id)
        if not KINDS[job.kind].long or job.state not in ("paused", "cancelled", "failed"):
            raise NotNowError(f"the job {id} is {job.state}: there is nothing to resume")
        job = self._becomes(id, "waiting", error=None, sort=None, ended=None, attempts=0)
        self._hand_out()
        return job

    async def events(self, id: str, after: int = 0) -> AsyncIterator[tuple[int, Told]]:
        """What is told of a job from event `after` on, numbered from 1, until it ends."""
        job, at = self.get(id), after
        live = self.live.get(id)
        if live is None:  # it ended before this server began
            yield at + 1, _state(job)
            return
        news = asyncio.Event()
        live.listeners.add(news)
        try:
            while True:
                news.clear()
                for told in live.events[at:]:
                    at += 1
                    yield at, told
                if at == len(live.events):
                    if self.get(id).has_ended:
                        return
                    await news.wait()
        finally:
            live.listeners.discard(news)

    async def finished(self, id: str) -> Job:
        """The job, once it has ended; who waits and goes away does not end it."""
        async for _ in self.events(id):
            pass
        return self.get(id)

    # --- the worker

    def _stop(self, id: str, state: str, **values: Any) -> Job:
        job = self.get(id)
        if job.has_ended:
            return job
        if id not in self.drawing and id != self.training:
            return self._becomes(id, state, **values)
        live = self.live[id]
        live.stopping, live.told_to = {"state": state, **values}, time.monotonic()
        self.worker.tell({"do": "stop", "id": id})
        return job

    def _hand_out(self) -> None:
        """Give the worker what it has room for."""
        if not self.ready.is_set():
            return
        waiting = self.store.select(["waiting"])
        if self.training is None:
            first = next((job for job in waiting if KINDS[job.kind].long), None)
            if first is not None:
                self.training = first.id
                self._run([first])
        if not self.drawing:
            short = [job for job in waiting if not KINDS[job.kind].long]
            if short:
                batch = _batch(short)
                self.drawing = {job.id for job in batch}
                self._run(batch)

    def _run(self, batch: Sequence[Job]) -> None:
        jobs = []
        for job in batch:
            live = self.live.setdefault(job.id, Live())
            live.began, live.stopping = time.monotonic(), None
            self._becomes(job.id, "running", started=time.time(), attempts=job.attempts + 1)
            out = self.folder(job)
            out.mkdir(parents=True, exist_ok=True)
            placed = self.registry.placed(job.request, self._given(job.id), KINDS[job.kind].files)
            jobs.append({"id": job.id, "kind": job.kind, "request": placed, "out": str(out.absolute())})
        self.worker.tell({"do": "run", "jobs": jobs})

    def _heard(self, told: Told) -> None:
        """An event of the worker's."""
        match told["event"]:
            case "ready":
                self.ready.set()
                self.look_again()
                self._hand_out()
            case "facts":
                self.facts = told["facts"]
            case "done":
                self._becomes(told["id"], "done", result=told["result"])
            case "failed":
                self._becomes(told["id"], "failed", error=told["error"], sort=told["sort"])
            case "stopped":
                self._becomes(told["id"], **(self.live[told["id"]].stopping or {"state": "cancelled"}))
            case _:
                self._tell(told.pop("id"), told)

    def look_again(self) -> None:
        """Ask the worker what it knows, now that models came or went."""
        self.worker.tell({"do": "facts", "models": self.registry.models()})

    def _lost(self) -> None:
        """The worker ended: what it was at is begun again, unless it was at it too often."""
        self.ready.clear()
        for id in [*self.drawing, *([self.training] if self.training else [])]:
            if (stopping := self.live[id].stopping) is not None:
                self._becomes(id, **stopping)
            elif self.store.get(id).attempts >= ATTEMPTS:
                sentence = f"the worker ended {ATTEMPTS} times while at it: too little memory?"
                self._becomes(id, "failed", error=sentence, sort="DeviceError")
            else:
                self._becomes(id, "waiting")

    def _becomes(self, id: str, state: str, **values: Any) -> Job:
        """A job's new state: on the disk first, then told."""
        if state in ENDED:
            values["ended"] = time.time()
        job = self.store.set(id, state=state, **values)
        self._tell(id, _state(job))
        if state != "running":
            self.drawing.discard(id)
            self.training = None if self.training == id else self.training
            if job.kind == "train":
                self.look_again()
            self._hand_out()
        return job

    def _tell(self, id: str, told: Told) -> None:
        live = self.live.setdefault(id, Live())
        live.events.append(told)
        for news in live.listeners:
            news.set()

    async def _watch(self) -> None:
        """Ends what takes too long, and forgets what is old."""
        while True:
            await asyncio.sleep(1.0)
            now, most = time.monotonic(), self.config.limits.job_seconds
            for id in list(self.drawing):
                live = self.live[id]
                if live.stopping is None and now - live.began > most:
                    self._stop(id, "failed", error=f"it took more than {most:g} seconds", sort="TooLong")
                elif live.stopping is not None and now - live.told_to > STOP_SECONDS:
                    self.worker.kill()
            self._forget()

    def _forget(self) -> None:
        """Ended jobs beyond the number that is kept, with what they made; trained models stay."""
        ended = self.store.select(ENDED, newest_first=True)
        for job in ended[self.config.limits.kept_jobs :]:
            self.store.forget(job.id)
            self.live.pop(job.id, None)
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.config.jobs / job.id)


def _batch(waiting: Sequence[Job]) -> list[Job]:
    """The first, and those of its shape that fit into one batch with it."""
    first, *rest = waiting
    own = shape(first.kind, first.request)
    batch, pictures = [first], int(first.request.get("count", 1))
    if own is None:
        return batch
    for job in rest:
        if shape(job.kind, job.request) == own and pictures + job.request["count"] <= BATCH:
            batch.append(job)
            pictures += job.request["count"]
    return batch


def _state(job: Job) -> Told:
    told: Told = {"event": "state", "state": job.state}
    if job.error is not None:
        told |= {"error": job.error, "sort": job.sort}
    return told | ({"result": job.result} if job.result is not None else {})
