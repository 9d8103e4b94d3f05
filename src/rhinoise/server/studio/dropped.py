"""Files that were dropped together: one folder of the uploads, which trainings call `folder:ID`."""

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from rhinoise.core.errors import DataError, PictureError
from rhinoise.server.jobs import Jobs
from rhinoise.server.pictures import checked

CAPTIONS = (".txt", ".caption", ".csv", ".jsonl")
"""What may lie beside pictures, and says what they show."""


def keep(jobs: Jobs, files: Sequence[str]) -> tuple[str, int]:
    """Copy what was dropped, checked => its name as a source, and its number of pictures.

    What is neither a picture nor captions is left out; DataError where there are no pictures, or too much.
    """
    limits = jobs.config.limits
    paths = [Path(file) for file in files]
    if sum(path.stat().st_size for path in paths) > limits.folder_bytes:
        raise DataError(
            f"this is more than the {limits.folder_bytes:,} bytes that are taken for one training"
        )
    id = secrets.token_hex(16)
    folder = jobs.config.uploads / id
    folder.mkdir(parents=True)
    pictures = 0
    for path in paths:
        if path.suffix.lower() not in CAPTIONS:
            try:
                checked(path.read_bytes(), limits)
            except PictureError:
                continue
            pictures += 1
        shutil.copyfile(path, folder / path.name)
    if not pictures:
        shutil.rmtree(folder)
        raise DataError("there are no pictures among these files: drop PNG, JPEG or WebP files with captions")
    return f"folder:{id}", pictures
