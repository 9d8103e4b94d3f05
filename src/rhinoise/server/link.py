"""The worker as the server sees it: a process that is started, told things, heard, and started again."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LINE_BYTES = 64 * 2**20
"""Of one event at most: previews are pictures."""
CLOSING_SECONDS = 20.0
"""What a training has for saving."""
PAUSE_SECONDS = 1.0
"""Between the end of a worker and the next one's start."""


class WorkerLink:
    """Keeps one worker running. `heard` gets every event, `lost` is called when the worker has ended.

    `folder` is what a worker holds as long as it lives, so that there are never two.
    """

    def __init__(
        self, folder: Path, heard: Callable[[dict[str, Any]], None], lost: Callable[[], None]
    ) -> None:
        self.folder, self.heard, self.lost = folder, heard, lost
        self.process: asyncio.subprocess.Process | None = None
        self.task: asyncio.Task[None] | None = None

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

    async def _keep_running(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception:  # an event that could not be taken in: a full disk, a fault of the program
                log.exception("the worker is started anew, for what it told could not be kept")
                self.kill()
            await self._lose()

    async def _listen(self) -> None:
        """One worker, from its start to its end."""
        self.process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rhinoise.server.worker", str(self.folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        log.info("the worker started", extra={"pid": process.pid})
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.heard(json.loads(line))
        code = await process.wait()
        log.warning("the worker ended", extra={"pid": process.pid, "code": code})

    async def _lose(self) -> None:
        """Say that it is lost, until that could be kept."""
        while True:
            try:
                self.lost()
            except Exception:
                log.exception("what the worker was at could not be kept")
            else:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        await asyncio.sleep(PAUSE_SECONDS)
