"""The worker: a process of its own that has the models and does the jobs, one device each.

It reads commands from stdin and tells events on stdout, a JSON object per line:

    {"do": "run", "jobs": [{"id", "kind", "request", "out"}, ...]}     several only where they are one batch
    {"do": "stop", "id"}            a job that is no longer wanted, or is to go on another time
    {"do": "facts", "models": {name: folder}}

    {"id", "event": "said", "text"}                 {"id", "event": "progress", "stage", "done", "total", ...}
    {"id", "event": "wrote", "name"}                {"id", "event": "preview", "step", "steps", "images"}
    {"id", "event": "done", "result"}               {"id", "event": "failed", "error", "sort"}
    {"id", "event": "stopped"}                      {"event": "ready"}, {"event": "facts", "facts"}

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
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from rhinoise.core.errors import RhinoiseError, RunFolderError
from rhinoise.core.files import locked
from rhinoise.server.asks import KINDS
from rhinoise.server.facts import facts
from rhinoise.server.work import WORK
from rhinoise.workflows.events import Event, Progress, Said, Wrote

QUIET_SECONDS = 0.1
"""Progress of one job is told no more often."""
LEAVING_SECONDS = 15.0
"""What a worker whose server is gone has for leaving what it is at."""

Told = Mapping[str, Any]


def _doing(job: Mapping[str, Any], out: Path) -> Generator[Event, None, Any]:
    """What is done for a job; a request that its workflow refuses fails when it is begun, as any other."""
    return (yield from WORK[job["kind"]](job["request"], out))


class Task:
    """A job under way: its generator, advanced event by event."""

    def __init__(self, job: Mapping[str, Any], tell: Callable[[Told], None]) -> None:
        self.id, self.out = str(job["id"]), Path(job["out"])
        self._tell, self._last = tell, 0.0
        self.work = _doing(job, self.out)

    def tell(self, event: str, **values: Any) -> None:
        """Tell something of this job."""
        self._tell({"id": self.id, "event": event, **values})

    def show(self, event: Event) -> None:
        """Relay what a workflow tells."""
        match event:
            case Said(text):
                self.tell("said", text=text)
            case Wrote(path):
                self.tell("wrote", name=path.relative_to(self.out).as_posix())
            case Progress():
                now = time.monotonic()
                if now - self._last > QUIET_SECONDS or event.done == event.total:
                    self._last = now
                    self.tell("progress", **vars(event) | {"numbers": dict(event.numbers)})

    def advance(self) -> bool:
        """One event further; False when it has ended, well or not, and that is told."""
        try:
            self.show(next(self.work))
        except StopIteration as end:
            self.tell("done", result=end.value if isinstance(end.value, dict) else {})
        except Exception as error:
            self.fail(error)
        else:
            return True
        return False

    def fail(self, error: Exception) -> None:
        """Tell why it ended; a fault of the program's keeps its traceback on stderr."""
        if isinstance(error, RhinoiseError):
            self.tell("failed", error=str(error), sort=type(error).__name__)
            return
        traceback.print_exception(error, file=sys.stderr)
        self.tell("failed", error=f"a fault of the program: {type(error).__name__}: {error}", sort=None)

    def stop(self) -> None:
        """Leave it; what it does on leaving, such as saving, is done."""
        self.work.close()
        self.tell("stopped")


class Worker:
    """Does what is read from `commands` until they end."""

    def __init__(self, commands: IO[str], tell: Callable[[Told], None]) -> None:
        self.tell = tell
        self.inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.unwanted: set[str] = set()
        self.ended = False
        """Whether there will be no more commands."""
        self.long: Task | None = None
        threading.Thread(target=self._read, args=(commands,), daemon=True).start()

    def _read(self, commands: IO[str]) -> None:
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
        self.tell({"event": "ready"})
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
                self._advance_long()
                self.unwanted.discard(command["id"])
            case "facts":
                self.tell({"event": "facts", "facts": facts(command["models"])})

    def _begin(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        if KINDS[jobs[0]["kind"]].long:
            self.long = Task(jobs[0], self.tell)
            return
        for job in jobs:
            task = Task(job, self.tell)
            while self._wanted(task) and task.advance():
                pass

    def _advance_long(self) -> None:
        if self.long is not None and not (self._wanted(self.long) and self.long.advance()):
            self.long = None

    def _wanted(self, task: Task) -> bool:
        """Whether to go on; a job that is not wanted any more is left, and that told."""
        if self.ended or task.id in self.unwanted:
            task.stop()
            return False
        return True


def alone(folder: Path) -> ExitStack:
    """The folder's lock, held: waits for the worker of a server that was killed, which is still leaving."""
    held = ExitStack()
    while True:
        try:
            held.enter_context(locked(folder))
        except RunFolderError:
            time.sleep(0.2)
        else:
            return held


def main() -> None:
    """Stdout is for events alone: whatever else prints goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C means the server, which ends its worker
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(event: Told) -> None:
        with suppress(BrokenPipeError):  # the server was killed: stdin ends, too
            events.write(json.dumps(event) + "\n")

    with alone(Path(sys.argv[1])):
        Worker(sys.stdin, tell).run()


if __name__ == "__main__":
    main()
