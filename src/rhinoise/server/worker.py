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
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from rhinoise.core.backend import every_device, is_lost
from rhinoise.core.errors import DeviceError, RhinoiseError
from rhinoise.core.images import to_pil
from rhinoise.server.asks import KINDS, shape
from rhinoise.server.facts import facts
from rhinoise.server.link import alone
from rhinoise.server.pictures import data_uri
from rhinoise.server.work import WORK, draw_request
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.opened import keep_open
from rhinoise.workflows.together import Ended, Glimpse, together

QUIET_SECONDS = 0.1
"""Progress of one job is told no more often."""
PREVIEW_SECONDS = 0.4
"""Nor does it decode a preview more often: that costs half a step."""
MODELS = 2
"""Kept open: the last that were asked for."""
LEAVING_SECONDS = 15.0
"""What a worker whose server is gone has for leaving what it is at."""

Told = Mapping[str, Any]


class Task:
    """A job under way: what is told of it, and its generator, advanced event by event."""

    def __init__(self, job: Mapping[str, Any], tell: Callable[[Told], None]) -> None:
        self.id, self.kind, self.request, self.out = job["id"], job["kind"], job["request"], Path(job["out"])
        self.ended = False
        self._tell, self._last, self._glimpsed = tell, 0.0, 0.0

    @cached_property
    def work(self) -> Generator[Event, None, Any]:
        """What its kind does."""
        return WORK[self.kind](self.request, self.out)

    def tell(self, event: str, **values: Any) -> None:
        """Tell something of this job."""
        self._tell({"id": self.id, "event": event, **values})

    def end(self, event: str, **values: Any) -> None:
        """Tell how it ended."""
        self.ended = True
        self.tell(event, **values)

    def show(self, event: Event | Glimpse | Ended) -> None:
        """Relay what a workflow tells."""
        match event:
            case Said(text):
                self.tell("said", text=self._told(text))
            case Wrote(path):
                self.tell("wrote", name=path.relative_to(self.out).as_posix())
            case Progress():
                now = time.monotonic()
                if now - self._last > QUIET_SECONDS or event.done == event.total:
                    self._last = now
                    self.tell("progress", **vars(event) | {"numbers": dict(event.numbers)})
            case Glimpse():
                self._preview(event)
            case Ended(None):
                self.end("done", result={})
            case Ended(Exception() as error):
                self.fail(error)

    def _told(self, text: str) -> str:
        """Without the places on this disk of what the job was given, and of what it makes."""
        for folder in (self.out.with_name("in"), self.out):
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), "its folder")
        pictures = Path(self.request.get("source") or "")
        return text.replace(str(pictures), pictures.name) if pictures.is_absolute() else text

    def _preview(self, seen: Glimpse) -> None:
        """What the pictures are expected to become, for who asked to see it."""
        now = time.monotonic()
        if self.request["preview"] and (now - self._glimpsed > PREVIEW_SECONDS or seen.step == seen.total):
            self._glimpsed = now
            images = [data_uri(image) for image in to_pil(seen.images())]
            self.tell("preview", step=seen.step, steps=seen.total, first=seen.first, images=images)

    def advance(self) -> bool:
        """One event further; False when it has ended, well or not, and that is told."""
        try:
            self.show(next(self.work))
        except StopIteration as end:
            self.end("done", result=end.value if isinstance(end.value, dict) else {})
        except Exception as error:
            self.fail(error)
        else:
            return True
        return False

    def fail(self, error: Exception) -> None:
        """Tell why it ended; a fault of the program's keeps its traceback on stderr.

        SystemExit where the GPU stopped working: nothing more can be done on it in this process.
        """
        if isinstance(error, RhinoiseError):
            self.end("failed", error=self._told(str(error)), sort=type(error).__name__)
            if error.__cause__ is not None and is_lost(error.__cause__):
                raise SystemExit(str(error))
            return
        traceback.print_exception(error, file=sys.stderr)
        self.end(
            "failed", error=self._told(f"a fault of the program: {type(error).__name__}: {error}"), sort=None
        )

    def stop(self) -> None:
        """Leave it; what it does on leaving, such as saving, is done, or told why not."""
        try:
            self.work.close()
        except Exception as error:
            self.fail(error)
        else:
            self.end("stopped")


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


def check_device(name: str) -> None:
    """SystemExit where this process does not compute on the device of this name."""
    found = every_device()
    if name.partition(":")[0] != found[0].partition(":")[0]:
        raise SystemExit(f"there is no {name} here to compute on, but {', '.join(found)}")


def main() -> None:
    """Stdout is for events alone: whatever else prints goes to stderr."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # they mean the server, which ends its workers in its way
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(event: Told) -> None:
        with suppress(BrokenPipeError):  # the server was killed: stdin ends, too
            events.write(json.dumps(event) + "\n")

    folder, device = sys.argv[1:]
    if device:
        check_device(device)
    keep_open(MODELS)
    with alone(Path(folder)):
        Worker(sys.stdin, tell).run()


if __name__ == "__main__":
    main()
