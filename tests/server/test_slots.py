"""Who gets which of the jobs that wait."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhinoise.server.asks import GenerateAsk
from rhinoise.server.queue.link import WorkerLink, environment
from rhinoise.server.queue.slots import BATCH, Slot, handed_out
from rhinoise.server.store import Job, Store


@pytest.fixture
def add(tmp_path: Path) -> Callable[..., Job]:
    """A job that waits, by its id; a training where the id begins with t."""
    store = Store(tmp_path / "jobs.sqlite")

    def adding(id: str, losses: int = 0, **ask: Any) -> Job:
        request = GenerateAsk(prompt=id, seed=1, **ask).model_dump(exclude={"kind"})
        store.add(id, "train" if id.startswith("t") else "generate", request, "")
        return store.set(id, losses=losses)

    return adding


def slots(number: int) -> list[Slot]:
    return [Slot(WorkerLink(Path(), "cpu", print, print)) for _ in range(number)]


def given(waiting: list[Job], workers: list[Slot]) -> list[list[str]]:
    """The ids that each worker is given."""
    found: dict[Slot, list[str]] = {slot: [] for slot in workers}
    for slot, jobs in handed_out(waiting, workers):
        found[slot] += [job.id for job in jobs]
    return list(found.values())


def test_one_worker_draws_beside_its_training(add: Callable[..., Job]) -> None:
    waiting = [add("a"), add("t1"), add("t2"), add("b")]
    (worker,) = workers = slots(1)
    assert given(waiting, workers) == [["t1", "a", "b"]]
    for job in waiting[:2]:
        worker.takes(job)
    assert given(waiting[2:], workers) == [[]]


def test_trainings_go_to_workers_of_their_own_and_drawings_elsewhere(add: Callable[..., Job]) -> None:
    workers = slots(3)
    assert given([add("t1"), add("a"), add("t2"), add("b")], workers) == [["t1"], ["t2"], ["a", "b"]]
    workers[0].takes(add("c"))
    assert given([add("t3")], workers) == [[], ["t3"], []]


def test_a_drawing_waits_for_no_training(add: Callable[..., Job]) -> None:
    """Where all other workers draw already, it goes to one that trains."""
    workers = slots(2)
    workers[0].takes(add("t1"))
    assert given([add("a")], workers) == [[], ["a"]]
    workers[1].takes(add("b"))
    assert given([add("c")], workers) == [["c"], []]


def test_idle_workers_share_what_waits(add: Callable[..., Job]) -> None:
    waiting = [add(str(number)) for number in range(5)]
    assert given(waiting, slots(2)) == [["0", "1", "2"], ["3", "4"]]
    many = [add(f"x{number}") for number in range(3 * BATCH)]
    assert [len(ids) for ids in given(many, slots(2))] == [BATCH, BATCH]


def test_what_differs_in_shape_or_took_a_worker_down_is_drawn_alone(add: Callable[..., Job]) -> None:
    waiting = [add("a", steps=3), add("b", steps=4), add("c", steps=3), add("d", steps=3, losses=1)]
    assert given(waiting, slots(1)) == [["a", "c"]]
    assert given(waiting[::-1], slots(1)) == [["d"]]


@pytest.mark.parametrize(
    ("visible", "device", "seen"),
    [
        ("", "cuda:1", "1"),
        ("", "cuda", "0"),
        ("4,GPU-7", "cuda:1", "GPU-7"),
        ("4,5", "cuda:2", "-1"),
        ("4,5", "cpu", "-1"),
        ("4,5", None, "4,5"),
        ("4,5", "mps", "4,5"),
    ],
)
def test_a_worker_sees_its_own_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, visible: str, device: str | None, seen: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert environment(device, None)["CUDA_VISIBLE_DEVICES"] == seen


def test_workers_share_the_processor_unless_that_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert environment("cpu", 2)["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert environment("cpu", 2)["OMP_NUM_THREADS"] == "1"
