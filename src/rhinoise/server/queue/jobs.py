"""The queue as interfaces see it: accepts jobs, tells of them, keeps what came of them.

One drawing (or look into a model) is under way at a time on each worker, and one training beside it, which
gives way to drawings at every step. Drawings of one shape that wait together go as one batch. Who gets what
is said in `dispatch`.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rhinoise.core.errors import ConfigError, RunFolderError
from rhinoise.core.files import locked
from rhinoise.server import keeping
from rhinoise.server.asks import FILE, KINDS, AnyAsk, any_seed
from rhinoise.server.errors import NotNowError, NotThereError, QueueFullError
from rhinoise.server.queue import drafts
from rhinoise.server.queue.dispatch import Dispatch
from rhinoise.server.queue.ledger import Ledger
from rhinoise.server.queue.live import Live, Told
from rhinoise.server.registry import Registry
from rhinoise.server.settings import ServeConfig
from rhinoise.server.store import OPEN, Job, Store

log = logging.getLogger(__name__)

FORGET_SECONDS = 60.0
"""How often is looked for what is old."""


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
        self.ledger = Ledger(self.store)
        self.dispatch = Dispatch(config, self.ledger, self.registry, self._placed)
        self._forgetting: asyncio.Task[None] | None = None

    # --- life

    async def start(self) -> None:
        """Start the workers; what waited before the server ended goes on."""
        self.dispatch.start()
        self._forgetting = asyncio.create_task(self._forget())

    def hang_up(self) -> None:
        """Who listens to events is told no more: the server is ending, and would wait for them."""
        self.ready.clear()
        self.ledger.hang_up()

    async def close(self) -> None:
        """End the workers; what was under way waits for the next start."""
        self.hang_up()
        if self._forgetting is not None:
            self._forgetting.cancel()
        try:
            await self.dispatch.close()
        finally:
            self.store.close()
            self.held.close()

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            try:
                self.ledger.forget(keeping.forget(self.config, self.store))
            except Exception:  # a full disk, say: the next round may find it mended
                log.exception("what is old could not be looked after")

    # --- what there is to know

    @property
    def ready(self) -> asyncio.Event:
        """Set while a worker takes jobs."""
        return self.dispatch.ready

    @property
    def facts(self) -> Mapping[str, Any] | None:
        """What the workers know (`facts.facts`), and their devices; None until one has said so."""
        return self.dispatch.facts

    @property
    def records(self) -> Mapping[str, Any]:
        """Name => what is known of a model; empty until a worker has said so."""
        return self.dispatch.records

    @property
    def live(self) -> Mapping[str, Live]:
        """What is told of each job that is not long over."""
        return self.ledger.live

    @property
    def watchers(self) -> list[Callable[[Job], None]]:
        """Called with every job that is new or has changed its state."""
        return self.ledger.watchers

    def look_again(self) -> None:
        """Models came or went."""
        self.dispatch.look_again()

    def get(self, id: str) -> Job:
        """NotThereError where there is none."""
        return self.ledger.get(id)

    def events(self, id: str, after: int = 0) -> AsyncIterator[tuple[int, Told]]:
        """What is told of a job from event `after` on, numbered from 1, until it ends."""
        return self.ledger.events(id, after)

    async def finished(self, id: str) -> Job:
        """The job, once it has ended, or the server is ending; who waits and goes away does not end it."""
        async for _ in self.events(id):
            pass
        return self.get(id)

    # --- accepting

    async def submit(self, ask: AnyAsk, *, files: Mapping[str, bytes] = {}, source: str = "") -> Job:
        """Accept a job, as `submit_all` does several."""
        (job,) = await self.submit_all([ask], files=files, source=source)
        return job

    async def submit_all(
        self, asks: Sequence[AnyAsk], *, files: Mapping[str, bytes] = {}, source: str = ""
    ) -> tuple[Job, ...]:
        """Accept all of these, or none; when this returns they are on the disk.

        Args:
            asks: what is asked for.
            files: field => the bytes of the picture that it means, checked; fields that name files of
                uploads or jobs are read here. Pictures are written beside the event loop.
            source: which interface asks.

        Raises:
            QueueFullError: too many wait.
            NotThereError: no such file.
            UnknownNameError: no such model or source.
            ConfigError: more than the limits allow, or a name that is taken.
        """
        drawn_up = self._drafts(asks, files)
        await asyncio.to_thread(drafts.keep, drawn_up, self.config)
        return self._accepted(drawn_up, source)

    def _drafts(self, asks: Sequence[AnyAsk], files: Mapping[str, bytes]) -> list[drafts.Draft]:
        self._check_room(len(asks))
        return [self._draft(ask, files) for ask in asks]

    def _draft(self, ask: AnyAsk, files: Mapping[str, bytes]) -> drafts.Draft:
        kind, request = ask.kind, ask.model_dump(mode="json", exclude={"kind"})
        drafts.check(request, self.config.limits)
        if "model" in request:
            request["model"] = self.registry.model(request["model"])
        if request.get("seed", 0) is None:
            request["seed"] = any_seed()
        self.registry.placed(request, Path())  # refuses what there is not
        named = {name: request[name] for name in KINDS[kind].files if request[name] is not None}
        given = {name: files[name] if name in files else self.file(file) for name, file in named.items()}
        request |= {name: name for name in given}
        return drafts.Draft(id=secrets.token_hex(16), kind=kind, request=request, given=given)

    def _accepted(self, drawn_up: Sequence[drafts.Draft], source: str) -> tuple[Job, ...]:
        try:
            self._check_room(len(drawn_up))
            for one in drawn_up:
                if one.kind == "train":
                    self.registry.check_free(one.request["name"], self.store.select(OPEN, ["train"]))
            with self.store.at_once():
                jobs = [self.store.add(one.id, one.kind, one.request, source) for one in drawn_up]
        except BaseException:
            drafts.drop(drawn_up, self.config)
            raise
        for job in jobs:
            self.ledger.tell(job)
        return tuple(jobs)

    def _check_room(self, number: int) -> None:
        most = self.config.limits.queue
        if self.store.count(["waiting", "running"]) + number > most:
            raise QueueFullError(f"more than {most} jobs would wait: try again later")

    # --- files

    def given(self, job: Job, field: str) -> bytes:
        """The picture that a field of the job's request means."""
        return (drafts.given(self.config, job.id) / field).read_bytes()

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

    def _placed(self, job: Job) -> Told:
        """A job as a worker is told of it."""
        out = self.folder(job)
        out.mkdir(parents=True, exist_ok=True)
        placed = self.registry.placed(job.request, drafts.given(self.config, job.id), KINDS[job.kind].files)
        return {"id": job.id, "kind": job.kind, "request": placed, "out": str(out.absolute())}

    # --- ending, putting off

    def cancel(self, id: str) -> Job:
        """End a job at its next step; what it has made stays."""
        return self.dispatch.stop(id, "cancelled")

    def pause(self, id: str) -> Job:
        """Put a training off; it saves, and `resume` goes on from there."""
        if not KINDS[self.get(id).kind].long:
            raise NotNowError("only trainings can be paused")
        return self.dispatch.stop(id, "paused")

    def resume(self, id: str) -> Job:
        """Go on with a training that was paused, cancelled or has failed."""
        job = self.get(id)
        if not KINDS[job.kind].long or job.state not in ("paused", "cancelled", "failed"):
            raise NotNowError(f"the job {id} is {job.state}: there is nothing to resume")
        others = [other for other in self.store.select(OPEN, ["train"]) if other.id != id]
        if any(other.request["name"] == job.request["name"] for other in others):
            raise NotNowError(f"another training called {job.request['name']} is under way")
        return self.ledger.becomes(id, "waiting", error=None, sort=None, ended=None, losses=0)
