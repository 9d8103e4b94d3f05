"""The queue at work: accepts jobs, hands them to the worker, tells who listens, keeps what came of them.

One drawing (or look into a model) is under way at a time, and one training beside it, which gives way to
drawings at every step. Drawings of one shape that wait together go as one batch.
"""

import asyncio
import logging
import re
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rhinoise.core.errors import ConfigError, PictureError, RhinoiseError, RunFolderError
from rhinoise.core.files import locked, replacing
from rhinoise.server import keeping
from rhinoise.server.asks import FILE, KINDS, AnyAsk, shape
from rhinoise.server.link import WorkerLink
from rhinoise.server.live import Live, Told
from rhinoise.server.pictures import checked
from rhinoise.server.registry import Registry
from rhinoise.server.settings import Limits, ServeConfig
from rhinoise.server.store import ENDED, OPEN, Job, State, Store

log = logging.getLogger(__name__)

BATCH = 16
"""Pictures that are drawn at a time, as `pipeline.latent_diffusion.BATCH`."""
MOST_LOSSES = 3
"""A job that takes the worker down so often, one time after the other, is given up."""
STEADY_SECONDS = 600.0
"""A worker that was at a job for so long did not end because of its beginning: the count starts anew."""
STOP_SECONDS = 30.0
"""What a job has to stop in when it is told to; then the worker is ended."""
LONG_STOP_SECONDS = 300.0
"""The same for a training: its steps may be long, and it saves."""
REMEMBERED = 16
"""Ended jobs whose events are still told, with their previews; of older ones the end alone."""
WATCH_SECONDS, FORGET_SECONDS = 1.0, 60.0
"""How often is looked for what takes too long, and for what is old."""


class QueueFullError(RhinoiseError):
    """More jobs wait than the server takes on."""


class NotThereError(RhinoiseError):
    """A job, file or model that there is not."""


class NotNowError(RhinoiseError):
    """What cannot be done to a job in its state."""


class Jobs:
    """The queue of one server, which has its data folder to itself; ConfigError where another one has it."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        for folder in (config.jobs, config.uploads, config.runs):
            folder.mkdir(parents=True, exist_ok=True)
        self.held = ExitStack()
        try:
            self.held.enter_context(locked(config.data))
        except RunFolderError:
            raise ConfigError(
                f"another server is at work on {config.data}: end it, or choose another --data"
            ) from None
        self.store = Store(config.data / "jobs.sqlite")
        keeping.sweep(config, self.store)
        self.registry = Registry(config)
        self.facts: Mapping[str, Any] | None = None
        """What the worker knows (`facts.facts`); None until it has said so."""
        self.ready = asyncio.Event()
        self.live: dict[str, Live] = {}
        self.remembered: deque[str] = deque()
        """Jobs that have ended, of which the events are kept."""
        self.watchers: list[Callable[[Job], None]] = []
        """Called with every job that has changed its state."""
        self.drawing: set[str] = set()
        self.training: str | None = None
        self.ends_worker = False
        """Whether it was ended from here: no job's fault."""
        self.worker = WorkerLink(config.data / "worker", self._heard, self._lost)
        self.watching: asyncio.Task[None] | None = None
        for job in self.store.select(OPEN):
            self._told(job)

    # --- life

    async def start(self) -> None:
        """Start the worker; what waited before the server ended goes on."""
        self.worker.start()
        self.watching = asyncio.create_task(self._watch())

    def hang_up(self) -> None:
        """Who listens to events is told no more: the server is ending, and would wait for them."""
        self.ready.clear()
        for live in self.live.values():
            live.ended = True
            live.wake()

    async def close(self) -> None:
        """End the worker; what was under way waits for the next start."""
        self.hang_up()
        if self.watching is not None:
            self.watching.cancel()
        await self.worker.close()
        self.store.close()
        self.held.close()

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
            NotThereError: no such file.
            UnknownNameError: no such model or source.
            ConfigError: more than the limits allow, or a name that is taken.
        """
        limits = self.config.limits
        if self.store.count(["waiting", "running"]) >= limits.queue:
            raise QueueFullError(f"{limits.queue} jobs are waiting already: try again later")
        kind, id = ask.kind, secrets.token_hex(16)
        request = ask.model_dump(mode="json", exclude={"kind"})
        _check(request, limits)
        if "model" in request:
            request["model"] = self.registry.model(request["model"])
        if request.get("seed", 0) is None:
            request["seed"] = secrets.randbelow(2**31)
        if kind == "train":
            self.registry.check_free(request["name"], self.store.select(OPEN, ["train"]))
        self.registry.placed(request, Path())  # refuses what there is not
        named = {name: request[name] for name in KINDS[kind].files if request[name] is not None}
        given = {name: self._read(file) for name, file in named.items() if name not in files} | dict(files)
        request |= {name: name for name in given}
        try:
            for name, data in given.items():
                with replacing(self._given(id) / name) as temporary:
                    temporary.parent.mkdir(parents=True, exist_ok=True)
                    temporary.write_bytes(data)
            job = self.store.add(id, kind, request, source)
        except BaseException:
            keeping.remove(self.config.jobs / id)
            raise
        self._told(job)
        self._hand_out_soon()
        return job

    def get(self, id: str) -> Job:
        """NotThereError where there is none."""
        try:
            return self.store.get(id)
        except KeyError:
            raise NotThereError(f"there is no job {id}") from None

    def _read(self, name: str) -> bytes:
        """The picture that `upload:ID` or `job:ID/NAME` means, checked."""
        path, most = self.file(name), self.config.limits.upload_bytes
        if path.stat().st_size > most:
            raise PictureError(f"{name} has more than the {most:,} bytes that are taken")
        return checked(path.read_bytes(), self.config.limits)

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
        if not re.fullmatch(FILE, name):
            raise NotThereError("a file is called upload:ID or job:ID/NAME")
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
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(folder) and path.is_file():
                return path
        except (OSError, ValueError, RuntimeError):  # too long, a NUL, links in circles
            pass
        raise NotThereError(f"the job {job.id} has made no file of this name")

    def files(self, job: Job) -> list[str]:
        """What it has made, of a training without the state that it goes on from."""
        folder = self.folder(job)
        found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        hidden = [any(part.startswith(".") for part in path.parts) for path in found]
        names = [path.as_posix() for path, is_hidden in zip(found, hidden, strict=True) if not is_hidden]
        return [name for name in names if not name.startswith("state/") and name != "lock"]

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
        others = [other for other in self.store.select(OPEN, ["train"]) if other.id != id]
        if any(other.request["name"] == job.request["name"] for other in others):
            raise NotNowError(f"another training called {job.request['name']} is under way")
        return self._becomes(id, "waiting", error=None, sort=None, ended=None, losses=0)

    async def events(self, id: str, after: int = 0) -> AsyncIterator[tuple[int, Told]]:
        """What is told of a job from event `after` on, numbered from 1, until it ends."""
        job, live = self.get(id), self.live.get(id)
        if live is None:  # it ended long ago
            yield after + 1, _state(job)
            return
        async for number, told in live.follow(after):
            yield number, told

    async def finished(self, id: str) -> Job:
        """The job, once it has ended, or the server is ending; who waits and goes away does not end it."""
        async for _ in self.events(id):
            pass
        return self.get(id)

    # --- the worker

    def _stop(self, id: str, state: State, **values: Any) -> Job:
        job = self.get(id)
        if job.has_ended:
            return job
        if id not in self.drawing and id != self.training:
            return self._becomes(id, state, **values)
        live = self.live[id]
        if live.stopping is None or live.stopping["state"] == "paused":  # what ends it is the last word
            live.stopping, live.told_to = {"state": state, **values}, time.monotonic()
            self.worker.tell({"do": "stop", "id": id})
            return self.store.set(id, stopping=state)
        return job

    def _hand_out_soon(self) -> None:
        """After all that arrives in this turn of the loop: what comes together is drawn together."""
        asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        """Give the worker what it has room for."""
        if not self.ready.is_set():
            return
        waiting = self.store.select(["waiting"])
        if self.training is None:
            first = next((job for job in waiting if KINDS[job.kind].long), None)
            if first is not None:
                self._run([first])
        if not self.drawing:
            short = [job for job in waiting if not KINDS[job.kind].long]
            if short:
                self._run(_batch(short))

    def _run(self, batch: Sequence[Job]) -> None:
        """Give these to the worker: one training, or what is drawn together."""
        begun = [given for job in batch if (given := self._begun(job)) is not None]
        if begun:
            self.worker.tell({"do": "run", "jobs": begun})

    def _begun(self, job: Job) -> Told | None:
        """A job as the worker is told of it, which is running from now on; None where it cannot be."""
        out = self.folder(job)
        try:
            out.mkdir(parents=True, exist_ok=True)
            placed = self.registry.placed(job.request, self._given(job.id), KINDS[job.kind].files)
        except RhinoiseError as error:  # a model that is gone since it was asked for
            self._becomes(job.id, "failed", error=str(error), sort=type(error).__name__)
            return None
        except OSError as error:
            self._becomes(job.id, "failed", error=f"it has no folder: {error.strerror}", sort=None)
            return None
        try:
            self._becomes(job.id, "running", started=time.time())
        except sqlite3.Error:  # it waits on: see `_take_up`
            log.exception("a job could not be begun")
            return None
        live = self.live[job.id]
        live.began, live.stopping = time.monotonic(), None
        if KINDS[job.kind].long:
            self.training = job.id
        else:
            self.drawing.add(job.id)
        return {"id": job.id, "kind": job.kind, "request": placed, "out": str(out.absolute())}

    def _heard(self, told: Told) -> None:
        """An event of the worker's."""
        match told["event"]:
            case "ready":
                self.ready.set()
                self.look_again()
                self._hand_out_soon()
            case "facts":
                self.facts = told["facts"]
            case "done":
                self._becomes(told["id"], "done", result=told["result"])
            case "failed":
                self._becomes(told["id"], "failed", error=told["error"], sort=told["sort"])
            case "stopped":
                self._becomes(told["id"], **(self.live[told["id"]].stopping or {"state": "cancelled"}))
            case _:
                self.live[told.pop("id")].tell(told)

    def look_again(self) -> None:
        """Ask the worker what it knows, now that models came or went."""
        self.worker.tell({"do": "facts", "models": self.registry.models()})

    def _lost(self) -> None:
        """The worker ended: what it was at is begun again, unless that was so too often."""
        self.ready.clear()
        for id in self._under_way():
            job, stopping = self.store.get(id), self.live[id].stopping
            if stopping is not None:
                self._becomes(id, **stopping)
            elif (losses := self._losses(job)) >= MOST_LOSSES:
                sentence = f"the worker ended {MOST_LOSSES} times while at it: too little memory?"
                self._becomes(id, "failed", error=sentence, sort="DeviceError")
            else:
                self._becomes(id, "waiting", losses=losses)
        self.ends_worker = False

    def _losses(self, job: Job) -> int:
        """How often in a row a job took the worker down, now that it has ended."""
        if self.ends_worker:
            return job.losses
        steady = time.monotonic() - self.live[job.id].began > STEADY_SECONDS
        return 1 if steady else job.losses + 1

    def _under_way(self) -> list[str]:
        """What the worker was given and has not ended."""
        return [*self.drawing, *([self.training] if self.training else [])]

    def _becomes(self, id: str, state: State, **values: Any) -> Job:
        """A job's new state: on the disk first, then told."""
        if state in ENDED:
            values["ended"] = time.time()
        job = self.store.set(id, state=state, stopping=None, **values)
        if state != "running":
            self.drawing.discard(id)
            self.training = None if self.training == id else self.training
            if job.kind == "train":
                self.look_again()
            self._hand_out_soon()
        self._told(job)
        return job

    def _told(self, job: Job) -> None:
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

    async def _watch(self) -> None:
        """Ends what takes too long, and forgets what is old."""
        forgot = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                self._take_up()
                self._end_what_takes_too_long()
                if time.monotonic() - forgot > FORGET_SECONDS:
                    forgot = time.monotonic()
                    for id in keeping.forget(self.config, self.store):
                        self.live.pop(id, None)
            except Exception:  # a full disk, say: the next round may find it mended
                log.exception("what takes too long, or is old, could not be looked after")

    def _take_up(self) -> None:
        """What a failure kept from the worker, such as a full disk, is handed out after all."""
        for job in self.store.select(["running"]):
            if job.id not in self._under_way():
                self._becomes(job.id, "waiting")
        self._hand_out()

    def _end_what_takes_too_long(self) -> None:
        now, most = time.monotonic(), self.config.limits.job_seconds
        for id in self._under_way():
            live, is_long = self.live[id], id == self.training
            if live.stopping is None:
                if not is_long and now - live.began > most:
                    self._stop(id, "failed", error=f"it took more than {most:g} seconds", sort="TooLong")
            elif is_long and self.drawing:
                live.told_to = now  # it is not its turn
            # Where there is a training, its step, which may be long, is ended first.
            elif now - live.told_to > (LONG_STOP_SECONDS if self.training else STOP_SECONDS):
                self.ends_worker = True
                self.worker.kill()


def _batch(waiting: Sequence[Job]) -> list[Job]:
    """The first, and those of its shape that fit into one batch with it.

    One that the worker has ended at is drawn alone: it may be its fault, and no other's.
    """
    first, *rest = waiting
    own = shape(first.kind, first.request)
    batch, pictures = [first], int(first.request.get("count", 1))
    if own is None or first.losses:
        return batch
    for job in rest:
        if job.losses or shape(job.kind, job.request) != own:
            continue
        if pictures + job.request["count"] <= BATCH:
            batch.append(job)
            pictures += job.request["count"]
    return batch


def _check(request: Mapping[str, Any], limits: Limits) -> None:
    """ConfigError where more is asked for than the server takes on."""
    for name in ("steps", "count"):
        asked, most = request.get(name), getattr(limits, name)
        if asked is not None and asked > most:
            raise ConfigError(f"{name} is at most {most} on this server, not {asked}")
    size = request.get("size")
    if size is not None and size * size > limits.pixels:
        raise ConfigError(f"{size} x {size} is more than the {limits.pixels:,} pixels that are taken")


def _state(job: Job) -> Told:
    told: Told = {"event": "state", "state": job.state}
    if job.error is not None:
        told |= {"error": job.error, "sort": job.sort}
    return told | ({"result": job.result} if job.result is not None else {})
