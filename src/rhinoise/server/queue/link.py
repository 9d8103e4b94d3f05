"""A worker as the server sees it: a process that is started, told things, heard, and started again."""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from rhinoise.core.errors import RunFolderError
from rhinoise.core.files import locked

log = logging.getLogger(__name__)
stderr = logging.getLogger("rhinoise.server.worker")

LINE_BYTES = 64 * 2**20
"""Of one event at most: previews are pictures."""
COMING_UP_SECONDS = 600.0
"""What a worker has for saying that it is ready: a GPU may take long to wake, and may never."""
CLOSING_SECONDS = 20.0
"""What a training has for saving."""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Between the end of a worker and the next one's start; twice as long after each that did not come up."""
LAST_WORDS_SECONDS = 1.0
"""What is waited for the end of a worker's stderr, which a process that it left behind may hold open."""


class WorkerLink:
    """Keeps one worker running. `heard` gets every event, `lost` is called when the worker has ended.

    `folder` is what a worker holds as long as it lives; `device` where it computes (None: wherever it finds
    best), and `threads` how many of the processor's cores it takes there (None: as the environment says).
    """

    def __init__(
        self,
        folder: Path,
        device: str | None,
        heard: Callable[[dict[str, Any]], None],
        lost: Callable[[], None],
        *,
        threads: int | None = None,
    ) -> None:
        self.folder, self.device, self.heard, self.lost, self.threads = folder, device, heard, lost, threads
        self.failures = 0
        """How many in a row ended before they were ready."""
        self.trouble: str | None = None
        """Why none is up, where one did not come up."""
        self.process: asyncio.subprocess.Process | None = None
        self.task: asyncio.Task[None] | None = None
        self._said: asyncio.Task[None] | None = None
        self._last_words = ""

    def start(self) -> None:
        """Start it, now and whenever it ends."""
        self.task = asyncio.create_task(self._keep_running())

    def tell(self, command: Mapping[str, Any]) -> None:
        """Send a command; one that ends meanwhile is told of by `lost`."""
        if self.process is not None and self.process.stdin is not None and self.process.returncode is None:
            self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def kill(self) -> None:
        """End the process at once; another one is started."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def close(self) -> None:
        """End it for good: what it is at is saved, if it can be."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
        process = self.process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), CLOSING_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        await self._last_said()

    async def _keep_running(self) -> None:
        while True:
            self.failures += 1  # until it says that it is ready
            try:
                await self._listen()
            except Exception as error:  # it cannot be started, or what it told be kept: a full disk, say
                log.exception("a worker is started anew")
                self.trouble = f"{type(error).__name__}: {error}" if self.failures else None
                self.kill()
            await self._lose()
            pause = min(PAUSE_SECONDS * 2 ** min(max(self.failures - 1, 0), 10), LONGEST_PAUSE_SECONDS)
            if self.failures:
                told = {"device": self.device, "why": self.trouble, "failures": self.failures}
                log.error("a worker did not come up; the next try is in %g s", pause, extra=told)
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        """One worker, from its start to its end."""
        self._last_words = ""
        self.process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rhinoise.server.worker", str(self.folder), self.device or ""),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            env=environment(self.device, self.threads),
        )
        about = {"pid": process.pid, "device": self.device}
        log.info("a worker started", extra=about)
        assert process.stdout is not None
        assert process.stderr is not None
        self._said = asyncio.create_task(self._relay(process.stderr, about))
        line = await self._first(process)
        while line:
            told = json.loads(line)
            if told["event"] == "ready":
                self.failures, self.trouble = 0, None
            self.heard(told)
            line = await process.stdout.readline()
        code = await process.wait()
        await self._last_said()
        if self.failures:
            self.trouble = f"it ended with code {code} before it was ready: {self._last_words or 'no word'}"
        log.warning("a worker ended", extra={**about, "code": code})

    async def _first(self, process: asyncio.subprocess.Process) -> bytes:
        """The first line that a worker tells; it is ended where there is none for too long."""
        assert process.stdout is not None
        try:
            return await asyncio.wait_for(process.stdout.readline(), COMING_UP_SECONDS)
        except TimeoutError:
            process.kill()
            await self._last_said()
            self._last_words = f"nothing was heard of it for {COMING_UP_SECONDS:g} s"
            return b""

    async def _relay(self, lines: asyncio.StreamReader, about: Mapping[str, Any]) -> None:
        """What a worker writes to its stderr, as lines of the log."""
        while True:
            try:
                line = await lines.readline()
            except ValueError:  # longer than anything is meant to be
                continue
            if not line:
                return
            if text := line.decode(errors="replace").rstrip():
                self._last_words = text
                stderr.info(text, extra=dict(about))

    async def _last_said(self) -> None:
        if self._said is not None:
            await asyncio.wait({self._said}, timeout=LAST_WORDS_SECONDS)

    async def _lose(self) -> None:
        """Say that it is lost, until that could be kept."""
        while True:
            try:
                self.lost()
            except Exception:
                log.exception("what the worker was at could not be kept")
            else:
                return
            await asyncio.sleep(PAUSE_SECONDS)


def environment(device: str | None, threads: int | None) -> dict[str, str]:
    """What a worker finds in its environment: of all GPUs it sees its own alone."""
    found = dict(os.environ)
    if device is not None and device != "mps":
        kind, _, number = device.partition(":")
        visible = [name for name in found.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        at = int(number or 0)
        # Numbers count what this server may see, which may be less than the machine has.
        own = visible[at] if at < len(visible) else str(at) if not visible else "-1"
        found["CUDA_VISIBLE_DEVICES"] = own if kind == "cuda" else "-1"
    if threads is not None:
        found.setdefault("OMP_NUM_THREADS", str(threads))
    return found


def alone(folder: Path) -> ExitStack:
    """The folder's lock, held: waits for whoever has it."""
    held = ExitStack()
    while True:
        try:
            held.enter_context(locked(folder))
        except RunFolderError:
            time.sleep(0.2)
        else:
            return held
