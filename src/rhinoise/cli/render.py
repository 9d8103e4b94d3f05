"""Events as a person sees them: sentences and bars on stderr, the files that were written on stdout."""

import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from rhinoise.workflows.events import Event, Progress, Said, Wrote

T = TypeVar("T")

QUIET_SECONDS = 30.0
"""How often a line tells the progress where there is no terminal for a bar."""


class Interrupt:
    """Ctrl-C as a question: the first sets `asked`, the second acts at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """What the signal calls: in the middle of anything, so it only writes bytes."""
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(2, b"\nstopping after this step; Ctrl-C again stops at once\n")


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Within, the first Ctrl-C is a question."""
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def show(events: Generator[Event, None, T], interrupt: Interrupt | None = None) -> T:
    """Render every event and give back what the generator returns.

    KeyboardInterrupt when `interrupt` was asked for, after the generator was closed and has saved.
    """
    with View() as view:
        try:
            while True:
                view.show(next(events))
                if interrupt is not None and interrupt.asked:
                    raise KeyboardInterrupt
        except StopIteration as end:
            return end.value
        finally:
            events.close()


class View:
    """A bar per stage on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}s"),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self.console,
            redirect_stdout=False,
            expand=True,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.told = time.monotonic()

    def __enter__(self) -> "View":
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def show(self, event: Event) -> None:
        """One event."""
        match event:
            case Said(text):
                self.console.print(text)
            case Wrote(path) if sys.stdout.isatty():
                self.console.print(f"wrote {path}")
            case Wrote(path):
                print(path, flush=True)
            case Progress():
                self.advance(event)

    def advance(self, at: Progress) -> None:
        """A bar's new length, or a line when it is time for one."""
        numbers = "  ".join(_number(name, value) for name, value in at.numbers.items())
        if not self.console.is_terminal:
            if time.monotonic() - self.told > QUIET_SECONDS:
                self.told = time.monotonic()
                self.console.print(f"{at.stage}: {at.done} of {at.total} {at.unit}s  {numbers}".rstrip())
            return
        if at.stage not in self.tasks:
            self.tasks[at.stage] = self.bars.add_task(at.stage, total=at.total, unit=at.unit, numbers="")
        self.bars.update(self.tasks[at.stage], completed=at.done, total=at.total, numbers=numbers)


def _number(name: str, value: float) -> str:
    """A rate as "310 images/s", any other number as "loss 0.1234"."""
    rate = f"{value:.0f}" if value >= 10 else f"{value:.2g}"
    return f"{rate} {name}" if "/" in name else f"{name} {value:.4f}"
