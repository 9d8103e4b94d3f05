"""Two workers on one processor: what is on one does not wait for the other, nor end with it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from rhinoise.server.worker.task import QUIET_SECONDS

LONG = {"kind": "generate", "prompt": "a red circle", "seed": 3, "steps": 250, "count": 64}
SHORT = {"kind": "generate", "prompt": "a red circle", "seed": 3, "steps": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two-workers")


@pytest.fixture(scope="module")
def api(
    serving: Callable[..., AbstractContextManager[str]], api_at: Callable[[str], Any], data: Path
) -> Iterator[Any]:
    """What asks a server of two workers, which are both up."""
    with serving(data, devices=("cpu", "cpu")) as address:
        api = api_at(address)
        while api.get("facts").json()["worker"] is None or "2 x cpu" not in str(api.get("facts").json()):
            pass
        yield api


@pytest.fixture
def training(api: Any, shapes: Path, tiny: list[str], request: pytest.FixtureRequest) -> Iterator[str]:
    """A training that does not end by itself, under way on the first worker."""
    settings = [word for word in tiny if "=" in word]
    name = request.node.name[:40]
    id = api.submit(
        kind="train",
        name=name,
        source=shapes.name,
        recipe="lean",
        size=16,
        images=10**7,
        settings=settings,
    )
    api.until(id, "progress")
    yield id
    api.delete(f"jobs/{id}")
    api.ended(id)


def worker(data: Path, number: int) -> int:
    """The process of a worker."""
    (found,) = [
        child.pid
        for child in psutil.Process().children(recursive=True)
        if str(data / "workers" / str(number)) in child.cmdline()
    ]
    return found


def states(api: Any, id: str) -> list[str]:
    """All that an ended job has been."""
    return [told["state"] for told in api.events(id) if told["event"] == "state"]


def test_two_drawings_are_under_way_at_once(api: Any) -> None:
    long = api.submit(**LONG)
    api.until(long, "progress")
    assert api.ended(api.submit(**SHORT))["state"] == "done"
    assert api.job(long)["state"] == "running"
    api.delete(f"jobs/{long}")
    assert api.ended(long)["state"] == "cancelled"


def test_a_training_goes_on_while_the_other_worker_draws(api: Any, training: str) -> None:
    """On one worker it would stand still until the drawing has ended."""
    long = api.submit(**LONG)
    api.until(long, "progress")
    last, steps = time.monotonic(), 0
    for told in api.events(training):
        now = time.monotonic()
        # What was told before comes all at once.
        steps += told["event"] == "progress" and now - last > QUIET_SECONDS / 2
        last = now
        if steps == 3:
            break
    assert api.job(long)["state"] == "running"
    api.delete(f"jobs/{long}")
    assert api.ended(long)["state"] == "cancelled"


def test_a_killed_worker_takes_nothing_of_the_other_with_it(api: Any, training: str, data: Path) -> None:
    drawing = api.submit(**LONG | {"count": 16})
    api.until(drawing, "progress")
    os.kill(worker(data, 0), signal.SIGKILL)
    begun = 0
    for told in api.events(training):
        begun += told.get("state") == "running"
        if begun == 2:
            break
    assert api.ended(drawing)["state"] == "done"
    assert states(api, drawing) == ["waiting", "running", "done"]
    api.delete(f"jobs/{training}")
    assert api.ended(training)["state"] == "cancelled"
    assert states(api, training) == ["waiting", "running", "waiting", "running", "cancelled"]
