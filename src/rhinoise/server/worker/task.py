"""A job under way in a worker: its workflow, advanced event by event, and what is told of it."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Generator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from rhinoise.core.backend import is_lost
from rhinoise.core.errors import RhinoiseError
from rhinoise.core.images import to_pil
from rhinoise.server.pictures import data_uri
from rhinoise.server.worker.work import WORK
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.together import Ended, Glimpse

QUIET_SECONDS = 0.1
"""Progress of one job is told no more often."""
PREVIEW_SECONDS = 0.4
"""Nor does it decode a preview more often: that costs half a step."""

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
