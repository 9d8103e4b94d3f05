"""A worker that does not come up is tried again, ever more rarely, and why is told."""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rhinoise.core.backend import every_device
from rhinoise.core.errors import DeviceError
from rhinoise.server.queue import link
from rhinoise.server.queue.link import WorkerLink
from rhinoise.server.worker.__main__ import check_device
from rhinoise.server.worker.task import Task


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker ends at once, with a word why."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho beginning >&2\necho no such thing >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


WHY = "it ended with code 3 before it was ready: no such thing"


@pytest.mark.usefixtures("broken")
def test_pauses_grow_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="rhinoise")
    monkeypatch.setattr(link, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(link, "LONGEST_PAUSE_SECONDS", 0.05)
    lost: list[None] = []

    async def five_times() -> str | None:
        worker = WorkerLink(tmp_path, "cpu", print, lambda: lost.append(None))
        worker.start()
        while worker.failures < 5:
            await asyncio.sleep(0.01)
        await worker.close()
        return worker.trouble

    assert asyncio.run(five_times()) == WHY
    assert len(lost) >= 4
    tries = [vars(record) for record in caplog.records if record.levelno == logging.ERROR]
    assert [told["args"][0] for told in tries[:4]] == [0.01, 0.02, 0.04, 0.05]
    assert {told["why"] for told in tries} == {WHY}
    said = [record for record in caplog.records if record.name == "rhinoise.server.worker"]
    assert [record.getMessage() for record in said[:2]] == ["beginning", "no such thing"]
    assert vars(said[0])["device"] == "cpu"
    assert vars(said[0])["pid"] > 0


@pytest.mark.usefixtures("broken")
def test_however_often_it_fails_it_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After seventeen hours the pause was no number any more, and nobody tried."""
    monkeypatch.setattr(link, "LONGEST_PAUSE_SECONDS", 0.01)

    async def twice_more() -> int:
        worker = WorkerLink(tmp_path, "cpu", print, lambda: None)
        worker.failures = 2000
        worker.start()
        while worker.failures < 2002:
            await asyncio.sleep(0.01)
        await worker.close()
        return worker.failures

    assert asyncio.run(twice_more()) >= 2002


def test_one_that_says_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that does not wake kept every job waiting, and nobody was told why."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(link, "COMING_UP_SECONDS", 0.1)

    async def told() -> str:
        worker = WorkerLink(tmp_path, "cpu", print, lambda: None)
        worker.start()
        while worker.trouble is None:
            await asyncio.sleep(0.01)
        await worker.close()
        return worker.trouble

    assert asyncio.run(told()).endswith("nothing was heard of it for 0.1 s")


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, f"the worker on cuda:7 did not come up: {WHY}"),
        ("a-key-that-is-long-enough", "the log says why"),
    ],
)
def test_whoever_asks_is_told_why_none_is_ready(
    asking: Callable[..., TestClient], key: str | None, told: str
) -> None:
    """Without a key, only this machine can ask; with one, everyone may ask whether it is ready."""
    with asking(devices=("cuda:7",), api_key=key) as client:
        while "troubles" not in (answer := client.get("/ready")).json():
            pass
    assert answer.status_code == 503
    assert answer.json() == {"status": "starting", "troubles": [told]}


@pytest.mark.usefixtures("broken")
def test_each_further_device_that_a_worker_sees_gets_a_worker(asking: Callable[..., TestClient]) -> None:
    with asking() as client:
        dispatch = client.app.state.jobs.dispatch
        ready = {"event": "ready", "devices": ["cuda:0", "cuda:1", "cuda:2"]}
        for _ in range(2):  # it is started anew, and says so again
            client.portal.call(dispatch._heard, dispatch.slots[0], ready)
        assert [slot.link.device for slot in dispatch.slots] == ["cuda:0", "cuda:1", "cuda:2"]
        assert len({slot.link.folder for slot in dispatch.slots}) == 3
        assert all(slot.link.task is not None for slot in dispatch.slots[1:])


def test_a_device_that_is_not_there_is_no_other_one() -> None:
    absent = "cuda:0" if every_device() == ["mps"] else "mps"
    with pytest.raises(SystemExit, match=f"there is no {absent} here"):
        check_device(absent)
    check_device(every_device()[0])


def test_a_worker_whose_gpu_stopped_working_ends(tmp_path: Path) -> None:
    """Each further job failed, too: that process could ask nothing of the GPU any more."""

    def work(error: Exception) -> Callable[[], bool]:
        def failing():  # a workflow's generator
            raise DeviceError("it stopped working") from error
            yield

        task = Task({"id": "a", "kind": "atlas", "request": {}, "out": str(tmp_path)}, told.append)
        task.work = failing()
        return task.advance

    told: list = []
    assert not work(RuntimeError("out of memory"))()
    with pytest.raises(SystemExit, match="stopped working"):
        work(RuntimeError("CUDA error: an illegal memory access was encountered"))()
    assert [event["event"] for event in told] == ["failed", "failed"]
