"""Hands jobs out to workers, one for each device, and hears of them until they have ended."""

import asyncio
import logging
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rhinoise.core.errors import RhinoiseError
from rhinoise.server.queue.ledger import Ledger
from rhinoise.server.queue.link import WorkerLink, alone
from rhinoise.server.queue.live import Told
from rhinoise.server.queue.slots import Slot, handed_out
from rhinoise.server.registry import Registry
from rhinoise.server.settings import ServeConfig
from rhinoise.server.store import Job, State

log = logging.getLogger(__name__)

MOST_LOSSES = 3
"""A job that takes its worker, or the server, down so often, one time after the other, is given up."""
STEADY_SECONDS = 600.0
"""What has gone on for so long will not end because of how it begins: the count starts anew."""
STOP_SECONDS = 30.0
"""What a job has to stop in when it is told to; then its worker is ended."""
LONG_STOP_SECONDS = 300.0
"""The same where its worker has a training: that one's steps may be long, and it saves."""
WATCH_SECONDS = 1.0
"""How often is looked for what takes too long."""

Placed = Callable[[Job], Told]
"""A job as a worker is told of it, its folders made; RhinoiseError or OSError where that cannot be."""


class Dispatch:
    """The workers of one server, and who is at what."""

    def __init__(self, config: ServeConfig, ledger: Ledger, registry: Registry, placed: Placed) -> None:
        self.config, self.ledger, self.registry, self.placed = config, ledger, registry, placed
        self.ready = asyncio.Event()
        """Set while a worker takes jobs."""
        self.slots: list[Slot] = []
        for device in config.devices or (None,):
            self._add(device)
        self._facts: Mapping[str, Any] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._due: asyncio.Handle | None = None

    # --- life

    def start(self) -> None:
        """Start the workers; what waits is handed out as soon as one is up."""
        for job in self.ledger.store.select(["waiting"]):
            if job.losses >= MOST_LOSSES:
                self._give_up(job.id)
        self.ledger.watchers.insert(0, self._changed)
        self._tasks = [asyncio.create_task(self._start()), asyncio.create_task(self._watch())]

    async def _start(self) -> None:
        # Those of a server that was killed may still be saving what they were at.
        await asyncio.to_thread(_wait_for, self.config.workers)
        for slot in self.slots:
            slot.link.start()

    async def close(self) -> None:
        """End the workers: what they are at is left, and a training saves."""
        self.ready.clear()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*(slot.link.close() for slot in self.slots))

    def _add(self, device: str | None) -> Slot:
        """One worker more."""
        sharing = self.config.devices.count("cpu")
        slot = Slot(
            WorkerLink(
                self.config.workers / str(len(self.slots)),
                device,
                lambda told: self._heard(slot, told),
                lambda: self._lost(slot),
                # Two that each take all cores would wait for each other.
                threads=max(1, (os.cpu_count() or 1) // sharing) if sharing > 1 else None,
            )
        )
        self.slots.append(slot)
        return slot

    # --- what is asked of it

    @property
    def facts(self) -> dict[str, Any] | None:
        """What the workers know (`facts.facts`), and their devices; None until one has said so."""
        devices = Counter(slot.device for slot in self.slots if slot.device is not None)
        words = [name if number == 1 else f"{number} x {name}" for name, number in devices.items()]
        return None if self._facts is None else {"device": " and ".join(words), **self._facts}

    @property
    def records(self) -> Mapping[str, Any]:
        """Name => what is known of a model; empty until a worker has said so."""
        return {} if self._facts is None else self._facts["models"]

    @property
    def troubles(self) -> list[str]:
        """Why workers are not up, a sentence for each that did not come up."""
        return [
            f"the worker {'' if link.device is None else f'on {link.device} '}did not come up: {link.trouble}"
            for link in (slot.link for slot in self.slots)
            if link.trouble is not None
        ]

    def look_again(self) -> None:
        """Ask what there is to know, now that models came or went: one worker's answer is enough."""
        up = [slot for slot in self.slots if slot.is_ready]
        if up:
            asked = min(up, key=lambda slot: len(slot.under_way))
            asked.link.tell({"do": "facts", "models": self.registry.models()})

    def stop(self, id: str, state: State, **values: Any) -> Job:
        """Have a job end in this state: at once where it waits, else at its next step."""
        job, slot = self.ledger.get(id), self._slot_of(id)
        if job.has_ended:
            return job
        if slot is None:
            return self.ledger.becomes(id, state, **values)
        live = self.ledger.live[id]
        if live.stopping is None or live.stopping["state"] == "paused":  # what ends it is the last word
            live.stopping, live.told_to = {"state": state, **values}, time.monotonic()
            slot.link.tell({"do": "stop", "id": id})
            return self.ledger.store.set(id, stopping=state)
        return job

    # --- handing out

    def _changed(self, job: Job) -> None:
        """A job is new, or has another state."""
        if job.state == "running":
            return
        slot = self._slot_of(job.id)
        if slot is not None:
            slot.leaves(job.id)
            if job.kind == "train":
                self.look_again()
        self._hand_out_soon()

    def _hand_out_soon(self) -> None:
        """After all that arrives in this turn of the loop: what comes together is drawn together."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        """Give the workers what they have room for."""
        self._due = None
        if not self.ready.is_set():
            return
        waiting = self.ledger.store.select(["waiting"])
        for slot, jobs in handed_out(waiting, [slot for slot in self.slots if slot.is_ready]):
            begun: list[Told] = []
            try:
                begun += (given for job in jobs if (given := self._begun(slot, job)) is not None)
            finally:  # whatever comes of the others
                if begun:
                    slot.link.tell({"do": "run", "jobs": begun})

    def _begun(self, slot: Slot, job: Job) -> Told | None:
        """A job as its worker is told of it, which is running from now on; None where it cannot be."""
        try:
            placed = self.placed(job)
        except RhinoiseError as error:  # a model that is gone since it was asked for
            self.ledger.becomes(job.id, "failed", error=str(error), sort=type(error).__name__)
            return None
        except OSError as error:
            self.ledger.becomes(job.id, "failed", error=f"it has no folder: {error.strerror}", sort=None)
            return None
        try:
            self.ledger.becomes(job.id, "running", started=time.time())
        except sqlite3.Error:  # it waits on: see `_take_up`
            log.exception("a job could not be begun")
            return None
        self.ledger.live[job.id].begins(time.monotonic())
        slot.takes(job)
        return placed

    # --- hearing

    def _heard(self, slot: Slot, told: Told) -> None:
        """An event of a worker's."""
        live, becomes = self.ledger.live, self.ledger.becomes
        match told["event"]:
            case "ready":
                self._is_up(slot, told["devices"])
            case "facts":
                self._facts = told["facts"]
            case "done":
                becomes(told["id"], "done", result=told["result"])
            case "failed":
                becomes(told["id"], "failed", error=told["error"], sort=told["sort"])
            case "stopped":
                becomes(told["id"], **(live[told["id"]].stopping or {"state": "cancelled"}))
            case _:
                live[told.pop("id")].tell(told)

    def _is_up(self, slot: Slot, devices: Sequence[str]) -> None:
        """A worker takes jobs; of all devices that it sees, each further one gets a worker too."""
        slot.is_ready = True
        slot.device = slot.link.device or devices[0]
        self.ready.set()
        if slot.link.device is None and len(devices) > 1:
            slot.link.device = devices[0]
            for device in devices[1:]:
                self._add(device).link.start()
        self.look_again()
        self._hand_out_soon()

    def _lost(self, slot: Slot) -> None:
        """A worker ended: what it was at is begun again, unless that was so too often."""
        slot.is_ready = False
        if not any(other.is_ready for other in self.slots):
            self.ready.clear()
        for id in slot.under_way:
            job, stopping = self.ledger.get(id), self.ledger.live[id].stopping
            losses = job.losses + (not slot.is_ending)
            if stopping is not None:
                self.ledger.becomes(id, **stopping)
            elif losses >= MOST_LOSSES:
                self._give_up(id)
            else:
                self.ledger.becomes(id, "waiting", losses=losses)
        slot.is_ending = False
        self.look_again()  # that one may have been asked

    def _give_up(self, id: str) -> None:
        sentence = f"the worker or the server ended {MOST_LOSSES} times while at it: too little memory?"
        self.ledger.becomes(id, "failed", error=sentence, sort="DeviceError")

    def _slot_of(self, id: str) -> Slot | None:
        """Whose worker is at a job."""
        return next((slot for slot in self.slots if id in slot.under_way), None)

    # --- watching

    async def _watch(self) -> None:
        """Ends what takes too long."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                self._take_up()
                for slot in self.slots:
                    self._look_at(slot)
            except Exception:  # a full disk, say: the next round may find it mended
                log.exception("what takes too long could not be looked after")

    def _take_up(self) -> None:
        """What a failure kept from a worker, such as a full disk, is handed out after all."""
        for job in self.ledger.store.select(["running"]):
            if self._slot_of(job.id) is None:
                self.ledger.becomes(job.id, "waiting")
        self._hand_out()

    def _look_at(self, slot: Slot) -> None:
        """Whether what a worker is at takes too long, or has gone on for long enough."""
        now, most = time.monotonic(), self.config.limits.job_seconds
        for id in slot.under_way:
            live, is_training = self.ledger.live[id], id == slot.training
            if not live.is_steady and now - live.began > STEADY_SECONDS:
                live.is_steady = True
                self.ledger.store.set(id, losses=0)
            if live.stopping is None:
                if not is_training and now - live.began > most:
                    self.stop(id, "failed", error=f"it took more than {most:g} seconds", sort="TooLong")
            elif is_training and slot.drawing:
                live.told_to = now  # it is not its turn
            # Where there is a training, its step, which may be long, is ended first.
            elif now - live.told_to > (LONG_STOP_SECONDS if slot.training else STOP_SECONDS):
                slot.is_ending = True
                slot.link.kill()


def _wait_for(workers: Path) -> None:
    """Until no worker holds its folder any more."""
    for folder in filter(Path.is_dir, workers.glob("*")):
        with alone(folder):
            pass
