"""Files that are whole or not there: atomic writes, hashes, locks, room on the disk."""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_cache_path
from safetensors import SafetensorError

from rhinoise.core.errors import DiskFullError, RunFolderError


def cache_folder() -> Path:
    """Where prepared pictures, latents and embeddings are kept: $RHINOISE_CACHE, or the user's cache."""
    chosen = os.environ.get("RHINOISE_CACHE")
    return Path(chosen) if chosen else user_cache_path("rhinoise")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`: written by the caller, then flushed and renamed in one step.

    A killed process leaves the old file, or the new one, never half of it; DiskFullError without room.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a whole folder; an older one of that name is removed once the new one is complete."""
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("tmp", "old"))
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with _room_for(path):
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.rglob("*"):
                _flush(file)
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
            _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():
            os.replace(old, path)  # the new one could not take its place
        shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half written in `folder`, which must be this process's alone.

    A folder that was moved aside, and whose successor did not arrive, is moved back first.
    """
    for old in [path for path in _leftovers(folder.rglob) if path.suffix == ".old"]:
        place = old.with_name(old.name[1:].rsplit(".", 2)[0])
        if not place.exists():
            os.replace(old, place)
    for leftover in _leftovers(folder.rglob):
        _remove(leftover)


def sweep_dead(folder: Path) -> None:
    """Remove what killed processes left in `folder` itself, which living ones may be writing to."""
    for leftover in _leftovers(folder.glob):
        if not _alive(int(leftover.name.split(".")[-2])):
            _remove(leftover)


def _leftovers(search: Callable[[str], Iterable[Path]]) -> list[Path]:
    """The temporary names of `replacing` and `replacing_folder`: .NAME.PROCESS.tmp and .NAME.PROCESS.old."""
    found = [*search(".*.tmp"), *search(".*.old")]
    return [path for path in found if path.name.split(".")[-2].isdecimal()]


def _remove(leftover: Path) -> None:
    if leftover.is_dir():
        shutil.rmtree(leftover)
    else:
        leftover.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if os.name == "nt":
        return True  # there, os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    """DiskFullError instead of what a full disk raises."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors tells in its message alone: Unix and Windows number it differently.
        told = ("(os error 28)", "(os error 112)")
        if getattr(error, "errno", None) == errno.ENOSPC or str(error).endswith(told):
            raise DiskFullError(
                f"the disk is full: {path} could not be written; free some space and try again"
            ) from error
        raise


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """A JSON file for people: indented, non-ASCII kept; whole or not at all."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def finite(value: float) -> float | None:
    """The number as JSON knows it: None for what is infinite or not a number."""
    return value if math.isfinite(value) else None


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(*parts: str | bytes) -> str:
    """One SHA-256, in hex, of several parts; their boundaries count."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.hexdigest()


def free_bytes(path: Path) -> int:
    """Room on the disk that `path` is, or will be, on."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder is this process's alone; RunFolderError when another one holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunFolderError(
            f"another training is at work in {folder}: wait for it, or choose another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot flush a folder
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
