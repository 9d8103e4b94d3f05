"""`python -m rhinoise.server.worker FOLDER DEVICE`: begun by the server, spoken to over its pipes."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from rhinoise.core.backend import every_device
from rhinoise.server.queue.link import alone
from rhinoise.server.worker.task import Told
from rhinoise.server.worker.worker import Worker
from rhinoise.workflows.opened import keep_open

MODELS = 2
"""Kept open: the last that were asked for."""


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
