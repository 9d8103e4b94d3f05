"""The models of a server: told of, taken away as a zip, deleted where they were trained here."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from rhinoise.core.errors import UnknownNameError
from rhinoise.server import keeping
from rhinoise.server.errors import NotNowError, NotThereError
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.store import OPEN
from rhinoise.storage.bundled import model_folder
from rhinoise.storage.run_folder import FEW_STEPS, RunFolder

CHUNK = 2**20


def told(jobs: Jobs) -> list[dict[str, Any]]:
    """A record of each model, the default one first; `about` is null until the worker has looked at it."""
    runs = jobs.config.runs.absolute()
    models = jobs.registry.models()
    return [
        {
            "name": name,
            "default": place == next(iter(models.values())),
            "trained_here": Path(place).parent == runs,
            "about": jobs.records.get(name),
        }
        for name, place in models.items()
    ]


def forget(jobs: Jobs, name: str) -> None:
    """Delete a model, or a training that did not get so far, with all of its run; on the event loop.

    Raises:
        NotThereError: there is none of that name.
        NotNowError: it is being trained, or a training goes on from it, or that was put off.
        ModelFolderError: it was not trained here.
    """
    try:
        run = jobs.registry.trained_here(name)
    except UnknownNameError as error:
        raise NotThereError(str(error)) from None
    for job in jobs.store.select(OPEN, ["train"]):
        if name in (job.request["name"], job.request["start"]):
            raise NotNowError(f"the training of {job.request['name']} has not ended: cancel it first")
    keeping.remove_beside(run)
    jobs.look_again()


def zipped(jobs: Jobs, name: str) -> Iterator[bytes]:
    """A model folder as a zip, in pieces; NotThereError where there is none of that name."""
    place = jobs.registry.models().get(name)
    if place is None:
        raise NotThereError(f"there is no model {name}")
    folder = model_folder(place)
    run = RunFolder(folder)
    parts = {"": folder}
    if run.model.is_dir():
        parts = {"": run.model} | ({FEW_STEPS: run.few_steps} if run.few_steps.is_dir() else {})
    files = {
        (Path(name) / part / file.relative_to(root)).as_posix(): file
        for part, root in parts.items()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }
    return _zip(files)


class _Pieces(io.RawIOBase):
    """A file that is only written to, and read as it grows."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        return len(self.written[-1])

    def taken(self) -> bytes:
        data = b"".join(self.written)
        self.written.clear()
        return data


def _zip(files: dict[str, Path]) -> Iterator[bytes]:
    """Stored as they are: weights do not get smaller."""
    pieces = _Pieces()
    with zipfile.ZipFile(cast(IO[bytes], pieces), "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            with path.open("rb") as file, archive.open(name, "w", force_zip64=True) as entry:
                while data := file.read(CHUNK):
                    entry.write(data)
                    yield pieces.taken()
    yield pieces.taken()
