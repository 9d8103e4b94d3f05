"""A worker: a process of its own that has the models and does jobs on one device.

It reads commands from stdin and tells events on stdout, a JSON object per line:

    {"do": "run", "jobs": [{"id", "kind", "request", "out"}, ...]}     several only where they are one batch
    {"do": "stop", "id"}            a job that is no longer wanted, or is to go on another time
    {"do": "facts", "models": {name: folder}}

    {"id", "event": "said", "text"}                 {"id", "event": "progress", "stage", "done", "total", ...}
    {"id", "event": "wrote", "name"}                {"id", "event": "preview", "step", "steps", "images"}
    {"id", "event": "done", "result"}               {"id", "event": "failed", "error", "sort"}
    {"id", "event": "stopped"}
    {"event": "ready", "devices"}   all that it could compute on, its own first
    {"event": "facts", "facts"}

A training is done a step at a time: whatever else is wanted goes first. When stdin ends, so does the worker,
also where the server was killed: it leaves what it is at, and a training saves, to go on another time.
"""

import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rhinoise.core.backend import every_device
from rhinoise.core.errors import DeviceError
from rhinoise.server.asks import KINDS, shape
from rhinoise.server.worker.facts import facts
from rhinoise.server.worker.task import Task, Told
from rhinoise.server.worker.work import draw_request
from rhinoise.workflows.together import together

LEAVING_SECONDS = 15.0
"""What a worker whose server is gone has for leaving what it is at."""


class Worker:
    """Does what is read from `commands` until they end."""

    def __init__(self, commands: Iterable[str], tell: Callable[[Told], None]) -> None:
        self.tell = tell
        self.inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.unwanted: set[str] = set()
        self.ended = False
        """Whether there will be no more commands."""
        self.long: Task | None = None
        threading.Thread(target=self._read, args=(commands,), daemon=True).start()

    def _read(self, commands: Iterable[str]) -> None:
        """A stop is known at once, whatever is being done."""
        for line in commands:
            command = json.loads(line)
            if command["do"] == "stop":
                self.unwanted.add(command["id"])
            self.inbox.put(command)
        self.ended = True
        self.inbox.put(None)
        leave = threading.Timer(LEAVING_SECONDS, os._exit, [1])
        leave.daemon = True
        leave.start()

    def run(self) -> None:
        """Until there are no more commands."""
        self.tell({"event": "ready", "devices": every_device()})
        while True:
            try:
                command = self.inbox.get(block=self.long is None)
            except queue.Empty:
                self._advance_long()
                continue
            if command is None:
                break
            self._obey(command)
        if self.long is not None:
            self.long.work.close()

    def _obey(self, command: Mapping[str, Any]) -> None:
        match command["do"]:
            case "run":
                self._begin(command["jobs"])
            case "stop":
                self._advance_long()  # leaves it, where it is that one
                self.unwanted.discard(command["id"])
            case "facts":
                self.tell({"event": "facts", "facts": facts(command["models"])})

    def _begin(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        tasks = [Task(job, self.tell) for job in jobs]
        first = tasks[0]
        if KINDS[first.kind].long:
            self.long = first
        elif shape(first.kind, first.request) is not None:
            self._draw(tasks)
        else:
            while self._wanted(first) and first.advance():
                pass

    def _draw(self, tasks: Sequence[Task]) -> None:
        """Pictures of one shape as one batch; where memory runs out, one job after the other."""
        try:
            requests = [draw_request(task.request, task.out) for task in tasks]
            for told in together(requests, cancelled=lambda place: self._unwanted(tasks[place])):
                if not tasks[told.place].ended:
                    tasks[told.place].show(told.event)
                self._stop_unwanted(tasks)
        except Exception as error:
            left = [task for task in tasks if not task.ended]
            if not isinstance(error, DeviceError) or len(tasks) == 1:
                for task in left:
                    task.fail(error)
                return
        else:
            left = []
        # Out of the error's reach, which holds on to what filled the memory.
        self._stop_unwanted(tasks)
        for task in left:
            if not task.ended:
                self._draw([task])

    def _stop_unwanted(self, tasks: Sequence[Task]) -> None:
        """Who left a batch is told at once: the others may have long to go."""
        for task in tasks:
            if not task.ended and self._unwanted(task):
                task.end("stopped")

    def _advance_long(self) -> None:
        if self.long is not None and not (self._wanted(self.long) and self.long.advance()):
            self.long = None

    def _wanted(self, task: Task) -> bool:
        """Whether to go on; a job that is not wanted any more is left, and that told."""
        if self._unwanted(task):
            task.stop()
            return False
        return True

    def _unwanted(self, task: Task) -> bool:
        return self.ended or task.id in self.unwanted
