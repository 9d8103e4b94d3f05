"""Jobs that are not accepted yet: held against the limits, their pictures written to where they will be."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhinoise.core.errors import ConfigError, PictureError
from rhinoise.core.files import replacing
from rhinoise.server import keeping
from rhinoise.server.errors import NotThereError
from rhinoise.server.pictures import checked
from rhinoise.server.settings import Limits, ServeConfig


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What will be a job."""

    id: str
    kind: str
    request: Mapping[str, Any]
    given: Mapping[str, bytes | Path]
    """Field => the picture that it means, checked, or where one lies that is still to be."""


def check(request: Mapping[str, Any], limits: Limits) -> None:
    """ConfigError where more is asked for than the server takes on."""
    for name in ("steps", "count"):
        asked, most = request.get(name), getattr(limits, name)
        if asked is not None and asked > most:
            raise ConfigError(f"{name} is at most {most} on this server, not {asked}")
    size = request.get("size")
    if size is not None and size * size > limits.pixels:
        raise ConfigError(f"{size} x {size} is more than the {limits.pixels:,} pixels that are taken")


def keep(drafts: Sequence[Draft], config: ServeConfig) -> None:
    """Write what they were given into their folders, one picture once; or leave nothing.

    PictureError where one may not be opened, NotThereError where it is gone.
    """
    written: dict[bytes | Path, Path] = {}
    try:
        for draft in drafts:
            for name, picture in draft.given.items():
                place = given(config, draft.id) / name
                with replacing(place) as temporary:
                    if picture in written:
                        _name_too(written[picture], temporary)
                    else:
                        temporary.write_bytes(_read(picture, config.limits))
                written.setdefault(picture, place)
    except BaseException:
        drop(drafts, config)
        raise


def drop(drafts: Sequence[Draft], config: ServeConfig) -> None:
    """Remove their folders."""
    for draft in drafts:
        keeping.remove(config.jobs / draft.id)


def given(config: ServeConfig, id: str) -> Path:
    """The files that a job was given."""
    return config.jobs / id / "in"


def _read(picture: bytes | Path, limits: Limits) -> bytes:
    if isinstance(picture, bytes):
        return picture
    try:
        if picture.stat().st_size > limits.upload_bytes:
            raise PictureError(
                f"{picture.name} has more than the {limits.upload_bytes:,} bytes that are taken"
            )
        return checked(picture.read_bytes(), limits)
    except FileNotFoundError:
        raise NotThereError(f"there is no file {picture.name} any more") from None


def _name_too(file: Path, name: Path) -> None:
    """One more name for a file; a copy where the disk has no such thing."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)
