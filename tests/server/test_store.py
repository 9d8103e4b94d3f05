"""The queue on disk."""

import sqlite3
from pathlib import Path

import pytest

from rhinoise.core.errors import ConfigError
from rhinoise.server.store import STATES, Store


def test_states_survive(tmp_path: Path) -> None:
    """What was running when its server ended waits again; all else is as it was."""
    store = Store(tmp_path / "jobs.sqlite")
    for state in STATES:
        store.add(state, "train", {"name": state, "words": ["ü", None, 2]}, "api")
        store.set(state, state=state, result={"of": state})
    before = {job.id: job for job in store.select()}
    store.close()
    after = {job.id: job for job in Store(tmp_path / "jobs.sqlite").select()}
    assert after.pop("running").state == "waiting"
    assert after == {id: job for id, job in before.items() if id != "running"}


def test_what_was_accepted_is_there_without_closing(tmp_path: Path) -> None:
    Store(tmp_path / "jobs.sqlite").add("one", "generate", {"prompt": "x"}, "api")
    assert Store(tmp_path / "jobs.sqlite").get("one").request == {"prompt": "x"}


def test_jobs_are_selected_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    for number, kind in enumerate(["generate", "train", "generate", "levels"]):
        store.add(str(number), kind, {}, "")
    assert [job.id for job in store.select()] == ["0", "1", "2", "3"]
    assert [job.id for job in store.select(kinds=["generate"], newest_first=True)] == ["2", "0"]
    assert [job.id for job in store.select(["done"])] == []
    assert [job.id for job in store.select(most=2)] == ["0", "1"]
    assert store.count(["waiting"]) == 4
    assert store.tally() == {("generate", "waiting"): 2, ("train", "waiting"): 1, ("levels", "waiting"): 1}
    store.forget("1")
    with pytest.raises(KeyError):
        store.get("1")


@pytest.mark.parametrize("state", ["cancelled", "paused"])
def test_what_was_told_to_stop_does_not_begin_again(tmp_path: Path, state: str) -> None:
    """Its server was killed before the worker had left it."""
    store = Store(tmp_path / "jobs.sqlite")
    store.add("one", "train", {}, "")
    store.set("one", state="running", stopping=state)
    store.close()
    job = Store(tmp_path / "jobs.sqlite").get("one")
    assert (job.state, job.stopping) == (state, None)
    assert (job.ended is not None) == job.has_ended


def test_the_oldest_are_those_that_ended_first(tmp_path: Path) -> None:
    """A training of a week is not forgotten in the minute in which it ends, for having begun first."""
    store = Store(tmp_path / "jobs.sqlite")
    for id, kind, ended in (("week", "train", 9.0), ("early", "generate", 1.0), ("late", "generate", 2.0)):
        store.add(id, kind, {}, "")
        store.set(id, state="done", ended=ended)
    store.add("open", "generate", {}, "")
    assert store.beyond(1, ["generate"]) == ["early"]
    assert store.beyond(1, ["generate", "train"]) == ["late", "early"]
    assert store.beyond(2, ["generate"]) == []


def test_another_file_is_no_queue(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text("notes of mine, and more of them" * 100)
    with pytest.raises(ConfigError, match="not a queue of jobs"):
        Store(tmp_path / "jobs.sqlite")


def test_a_job_that_its_server_died_at_is_counted_and_one_that_was_put_back_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    store.add("one", "generate", {}, "")
    for losses in (1, 2):
        store.set("one", state="running")
        store = Store(tmp_path / "jobs.sqlite")  # the other was not closed
        assert (store.get("one").state, store.get("one").losses) == ("waiting", losses)
    store.set("one", state="running")
    store.close()
    assert (Store(tmp_path / "jobs.sqlite").get("one").losses) == 2


def test_what_is_added_at_once_is_there_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    store.add("one", "generate", {}, "")

    def twice() -> None:
        with store.at_once():
            store.add("two", "generate", {}, "")
            store.add("one", "generate", {}, "")

    with pytest.raises(sqlite3.IntegrityError):
        twice()
    assert [job.id for job in Store(tmp_path / "jobs.sqlite").select()] == ["one"]
