"""A run's folder: whose it is, what it remembers, and what it forgets."""

import csv
import json

import pytest

from rhinoise.core.errors import RunFolderError
from rhinoise.storage.run_folder import RunFolder

RECORD = {"source": "emoji", "recipe": {"size": 64, "network": {"depth": 4}, "widths": (1, 2)}}


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.refuse_strangers()
    run.claim(RECORD)
    return run


def test_the_same_command_goes_on(run):
    run.note("denoiser steps", 10)
    run.refuse_strangers()
    run.claim(RECORD)
    assert run.record() == json.loads(json.dumps(RECORD))
    assert run.plan() == {"denoiser steps": 10}


def test_another_recipe_is_refused_and_the_difference_named(run):
    run.note("denoiser steps", 10)
    other = {"source": "emoji", "recipe": {"size": 64, "network": {"depth": 8}, "widths": (1, 2)}}
    with pytest.raises(RunFolderError, match=r"differs in recipe.network.depth\).*choose another --out"):
        run.claim(other)
    with pytest.raises(RunFolderError, match="differs in source"):
        run.claim(RECORD | {"source": "./cats"})


def test_as_long_as_nothing_is_planned_one_may_change_ones_mind(run):
    """A mistyped source took the folder, so that the right one was refused."""
    run.claim(RECORD | {"source": "./cats"})
    assert run.record()["source"] == "./cats"


@pytest.mark.parametrize("name", ["holiday.jpg", "model", ".git"])
def test_a_folder_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / "lock").touch()
    with pytest.raises(RunFolderError, match=rf"it holds {name}\): choose another --out"):
        RunFolder(tmp_path).refuse_strangers()


def test_an_empty_folder_and_a_start_that_was_killed_are_welcome(tmp_path):
    RunFolder(tmp_path).refuse_strangers()
    (tmp_path / "lock").touch()
    (tmp_path / ".recipe.json.123.tmp").write_text("{")
    RunFolder(tmp_path).refuse_strangers()


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(RunFolderError, match="is a file"):
        RunFolder(tmp_path / "out").refuse_strangers()


def test_damaged_records_are_said(run):
    (run.root / "plan.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"plan\.json is damaged"):
        run.claim(RECORD)
    (run.root / "recipe.json").write_text("")
    with pytest.raises(RunFolderError, match=r"recipe\.json is damaged"):
        run.record()


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(RunFolderError, match="is not a run"):
        RunFolder(tmp_path).record()


def test_what_is_decided_once_stays(run):
    assert run.recall("steps", lambda: 7) == 7
    assert run.recall("steps", lambda: 8) == 7
    assert RunFolder(run.root).recall("steps", lambda: 9) == 7


def entry(stage, step):
    return {"stage": stage, "step": step, "loss": step / 7}


def test_the_log_reads_back(run):
    assert run.entries() == []
    wanted = [entry("autoencoder", 1), entry("denoiser", 1)]
    for one in wanted:
        run.append(one)
    assert run.entries() == wanted
    assert run.has("denoiser", 1)
    assert not run.has("denoiser", 2)


def test_a_line_that_a_kill_cut_short_is_left_out(run):
    run.append(entry("denoiser", 1))
    whole = run.log.read_text()
    for cut in range(1, len(whole)):
        run.log.write_text(whole + whole[:cut].rstrip("\n"))
        kept = run.entries()
        assert kept[:1] == [entry("denoiser", 1)]
        assert len(kept) == (2 if cut >= len(whole) - 1 else 1)
    run.log.write_text(whole + '{"stage": "den')
    run.rewind("denoiser", 1)
    assert run.log.read_text() == whole


def test_rewinding_forgets_all_that_came_after(run):
    """What was measured on held-out pictures stayed, and was then there twice."""
    story = [
        entry("autoencoder", 1),
        entry("autoencoder", 2),
        entry("denoiser", 1),
        entry("held out", 1),
        entry("denoiser", 2),
        entry("denoiser", 3),
        entry("held out", 3),
    ]
    for one in story:
        run.append(one)
    for step, kept in ((3, 7), (2, 5), (1, 4), (0, 2)):
        run.rewind("denoiser", step)
        assert run.entries() == story[:kept]


def test_skipped_pictures_are_a_table(run):
    skipped = [("a, b.png", "it is broken"), ("naïve.png", 'it says "no"\nat length')]
    run.write_skipped(skipped)
    with (run.root / "skipped.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["file_name", "reason"], *map(list, skipped)]


def test_a_recipe_of_something_else_is_refused_and_kept(tmp_path):
    for own in ('{"cake": ["flour", "eggs"]}', "[]", '{"source": "grandmother"}'):
        (tmp_path / "recipe.json").write_text(own)
        for look in (RunFolder(tmp_path).refuse_strangers, RunFolder(tmp_path).record):
            with pytest.raises(RunFolderError, match=r"is not a run .* choose another folder"):
                look()
        assert (tmp_path / "recipe.json").read_text() == own


def test_names_that_are_not_utf8_are_told_in_escapes(run):
    run.write_skipped([("caf\udce9.png", "it is broken")])
    assert r"caf\udce9.png,it is broken" in (run.root / "skipped.csv").read_text(encoding="utf-8")
