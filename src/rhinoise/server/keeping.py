"""What is kept, and for how long: ended jobs with their pictures, uploads, folders that were dropped."""

import asyncio
import secrets
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
        remove_beside(config.jobs / id)
        store.forget(id)
    wanted: str | None = None
    for upload in _old(config):
        if upload.is_file():
            upload.unlink(missing_ok=True)
            continue
        wanted = _trained_on(config, store) if wanted is None else wanted
        if upload.name not in wanted:
            remove_beside(upload)
    return forgotten


def sweep(config: ServeConfig, store: Store) -> None:
    """Remove what a server that was killed left: folders of jobs it never accepted, halves of removals.

    Pictures of jobs that the queue does not know stay: it may be another file than the one they are of.
    """
    known = {job.id for job in store.select()}
    left = [folder for folder in config.jobs.iterdir() if folder.name not in known]
    never_begun = [folder for folder in left if not (folder / "out").exists()]
    halves = [half for place in (config.jobs, config.runs, config.uploads) for half in place.glob(f"{GONE}*")]
    for folder in {*never_begun, *halves}:
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
    if folder.name.startswith(GONE):
        return folder
    return folder.rename(folder.with_name(f"{GONE}{secrets.token_hex(4)}.{folder.name}"))


def _old(config: ServeConfig) -> Iterator[Path]:
    since = time.time() - 3600 * config.limits.upload_hours
    for upload in config.uploads.iterdir():
        if upload.stat().st_mtime < since:
            yield upload


def _trained_on(config: ServeConfig, store: Store) -> str:
    """Text with the name of every folder that a known job, or a model that is there, is of."""
    records = [record.read_text(encoding="utf-8") for record in config.runs.glob("*/recipe.json")]
    return "\n".join([*store.sources(), *records])
