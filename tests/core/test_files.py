"""Files are whole or not there, whatever happens while they are written."""

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rhinoise.core.errors import DiskFullError, RunFolderError
from rhinoise.core.files import (
    cache_folder,
    digest,
    finite,
    free_bytes,
    locked,
    read_json,
    replacing,
    replacing_folder,
    sha256,
    sweep,
    sweep_dead,
    write_json,
    write_text,
)


def test_a_written_file_replaces_the_old_one(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "old")
    write_text(tmp_path / "a" / "b.txt", "née\n")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "née\n".encode()
    assert os.listdir(tmp_path / "a") == ["b.txt"]


def test_json_is_for_people(tmp_path):
    write_json(tmp_path / "x.json", {"name": "犀"})
    assert "犀" in (tmp_path / "x.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "x.json") == {"name": "犀"}


def test_a_file_half_written_is_not_seen(tmp_path):
    write_text(tmp_path / "x", "old")

    def write_half():
        with replacing(tmp_path / "x") as temporary:
            temporary.write_text("half")
            assert (tmp_path / "x").read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert (tmp_path / "x").read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_folder_half_written_is_not_seen(tmp_path):
    with replacing_folder(tmp_path / "m") as new:
        write_text(new / "part" / "x", "old")

    def write_half():
        with replacing_folder(tmp_path / "m") as new:
            write_text(new / "y", "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "m",
        "m/part",
        "m/part/x",
    ]
    with replacing_folder(tmp_path / "m") as new:
        write_text(new / "y", "new")
    assert os.listdir(tmp_path) == ["m"]
    assert os.listdir(tmp_path / "m") == ["y"]


def test_a_new_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    """It was removed together with the temporary ones."""
    write_text(tmp_path / "m" / "x", "old")
    rename = os.replace

    def refuse(source, to):
        if Path(source).name.endswith(".tmp") and Path(to).name == "m":
            raise PermissionError("somebody has it open")
        rename(source, to)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError), replacing_folder(tmp_path / "m"):
        pass
    assert (tmp_path / "m" / "x").read_text() == "old"
    assert os.listdir(tmp_path) == ["m"]


def test_leftovers_of_killed_processes_are_swept(tmp_path):
    write_text(tmp_path / "state" / "keep", "x")
    write_text(tmp_path / "state" / ".a.safetensors.123.tmp", "half")
    write_text(tmp_path / ".model.123.tmp" / "y", "half")
    write_text(tmp_path / "model" / "y", "new")
    write_text(tmp_path / ".model.123.old" / "y", "old")
    sweep(tmp_path)
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["model", "y", "state", "keep"]


def test_a_folder_moved_aside_by_a_killed_process_is_moved_back(tmp_path):
    """Its successor did not arrive, and it was removed as well."""
    write_text(tmp_path / ".my.model.123.old" / "x", "old")
    write_text(tmp_path / ".my.model.123.tmp" / "x", "new")
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["my.model"]
    assert (tmp_path / "my.model" / "x").read_text() == "old"


@pytest.mark.skipif(os.name == "nt", reason="there nobody can be asked whether it lives")
def test_only_what_dead_processes_left_is_removed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    for process in (dead.pid, os.getpid()):
        write_text(tmp_path / f".file.{process}.tmp", "half")
        write_text(tmp_path / f".folder.{process}.tmp" / "x", "half")
    sweep_dead(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [f".file.{os.getpid()}.tmp", f".folder.{os.getpid()}.tmp"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full disk at hand")
def test_a_full_disk_is_said(tmp_path):
    """/dev/full is a disk without room."""

    def write_much():
        with replacing(tmp_path / "x") as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("more")

    with pytest.raises(DiskFullError, match=r"x could not be written; free some space"):
        write_much()
    assert os.listdir(tmp_path) == []


def test_hashes(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("ab", b"c") == digest(b"ab", "c")


def test_room_is_that_of_the_disk_to_be(tmp_path):
    assert free_bytes(tmp_path / "not" / "there") > 0


def test_the_cache_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("RHINOISE_CACHE")
    assert cache_folder().name == "rhinoise"


HOLD = """
import sys
from pathlib import Path
from rhinoise.core.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_one_processes_alone(tmp_path):
    command, pipe = [sys.executable, "-c", HOLD, str(tmp_path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(RunFolderError, match="another training is at work"), locked(tmp_path):
            pass
        other.kill()  # the lock of a killed process is open again
    with locked(tmp_path):
        pass


@pytest.mark.parametrize(
    ("value", "told"), [(1.5, 1.5), (0.0, 0.0), (math.inf, None), (-math.inf, None), (math.nan, None)]
)
def test_numbers_that_json_does_not_know_are_none(value: float, told: float | None) -> None:
    assert finite(value) == told
