"""What is kept, and for how long: ended jobs with their pictures, uploads, folders that were dropped."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from rhinoise.server.asks import KINDS
from rhinoise.server.settings import ServeConfig
from rhinoise.server.store import Store

GONE = ".deleted."
"""What a name begins with of which nothing is to be left."""


def forget(config: ServeConfig, store: Store) -> list[str]:
    """Remove what is old, on the event loop; the ids of jobs that were forgotten.

    Trainings and what they made stay.
    """
    forgotten = store.beyond(config.limits.kept_jobs, [name for name, kind in KINDS.items() if not kind.long])
    for id in forgotten:
        store.forget(id)
        remove_beside(config.jobs / id)
    for upload in _old(config):
        if upload.is_file():
            upload.unlink(missing_ok=True)
        elif not _is_trained_on(upload.name, config, store):
            remove_beside(upload)
    return forgotten


def sweep(config: ServeConfig, store: Store) -> None:
    """Remove what a server that was killed left: folders of jobs it never accepted, halves of removals."""
    known = {job.id for job in store.select()}
    left = [folder for folder in config.jobs.iterdir() if folder.name not in known]
    for folder in [*left, *config.runs.glob(f"{GONE}*"), *config.uploads.glob(f"{GONE}*")]:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder: at once from its name, then all of it."""
    if folder.exists():
        shutil.rmtree(_aside(folder), ignore_errors=True)


def remove_beside(folder: Path) -> None:
    """The same on the event loop: all but its name goes in a thread; `sweep` finds what a kill leaves."""
    if folder.exists():
        asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, _aside(folder), True)


def _aside(folder: Path) -> Path:
    return folder if folder.name.startswith(GONE) else folder.rename(folder.with_name(GONE + folder.name))


def _old(config: ServeConfig) -> Iterator[Path]:
    since = time.time() - 3600 * config.limits.upload_hours
    for upload in config.uploads.iterdir():
        if upload.stat().st_mtime < since:
            yield upload


def _is_trained_on(id: str, config: ServeConfig, store: Store) -> bool:
    """Whether a training that is known, or a model that is there, is of this folder."""
    if any(job.request["source"] == f"folder:{id}" for job in store.select(kinds=["train", "inspect"])):
        return True
    return any(id in record.read_text(encoding="utf-8") for record in config.runs.glob("*/recipe.json"))
