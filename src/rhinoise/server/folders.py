"""Pictures that are sent together to be trained on, with captions: checked, kept under clean names."""

import re
import secrets
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rhinoise.core.errors import DataError, PictureError
from rhinoise.core.files import replacing
from rhinoise.server import keeping
from rhinoise.server.pictures import checked, format_of
from rhinoise.server.settings import ServeConfig

CAPTIONS = (".txt", ".caption")
METADATA = ("metadata.csv", "metadata.jsonl")
CAPTION_BYTES, METADATA_BYTES = 2**16, 2**24
ENDINGS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jfif"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
"""What a picture of each format is called; one with an ending of no picture gets the first of these too."""
PICTURES = frozenset(ending for endings in ENDINGS.values() for ending in endings)
DEPTH = 8
"""Folders within each other, with the file itself."""
STEM_BYTES, ENDING_BYTES = 200, 12
"""Of a name: disks take 255, and a caption's name must be cut where its picture's is."""
_ONE_AT_A_TIME = threading.Lock()
"""Requests may add to one folder side by side: its room is counted, its names are taken, in turn."""
_HARMFUL = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
"""What names on some disk cannot have, and what is no letter."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A folder that was sent and is still kept."""

    name: str
    """`folder:ID`, as requests call it."""
    title: str
    """What it was called where it came from."""
    pictures: int
    when: float
    """When it was sent, in seconds since 1970."""


def dropped(config: ServeConfig) -> list[Dropped]:
    """The folders that are kept, the newest first."""
    folders = [folder for folder in config.uploads.glob("[!.]*") if folder.is_dir()]
    found = [
        Dropped(
            name=f"folder:{folder.name}",
            title=inside(folder).name,
            pictures=sum(file.suffix.lower() in PICTURES for file in folder.rglob("*")),
            when=folder.stat().st_mtime,
        )
        for folder in folders
    ]
    return sorted(found, key=lambda one: one.when, reverse=True)


def inside(folder: Path) -> Path:
    """What was sent: the one folder in a folder that is kept, or where there is more, all of it."""
    match list(folder.iterdir()):
        case [only] if only.is_dir():
            return only
    return folder


@dataclass
class Kept:
    """What became of what was sent."""

    name: str
    """`folder:ID`, as requests call it."""
    pictures: int = 0
    captions: int = 0
    """Files of captions."""
    refused: dict[str, str] = field(default_factory=dict)
    """File name => why it was not taken."""


def keep(sent: Iterable[tuple[str, bytes]], config: ServeConfig, into: str = "") -> Kept:
    """Files, as (name, bytes), kept as a folder of their own or added `into` one.

    DataError where there is no folder `into`, or nothing was a picture or a caption.
    """
    id = into.removeprefix("folder:") if into else secrets.token_hex(16)
    folder = config.uploads / id
    if into and not (re.fullmatch("folder:[0-9a-f]{32}", into) and folder.is_dir()):
        raise DataError("there is no folder of that name: leave it out to begin one")
    kept = Kept(name=f"folder:{id}")
    with _ONE_AT_A_TIME:
        return _kept(kept, folder, sent, config, is_new=not into)


def _kept(
    kept: Kept, folder: Path, sent: Iterable[tuple[str, bytes]], config: ServeConfig, *, is_new: bool
) -> Kept:
    """`kept`, with what became of each file; a folder that is new is removed again where none was taken."""
    room = config.limits.folder_bytes - sum(file.stat().st_size for file in folder.rglob("*"))
    try:
        for name, data in sent:
            try:
                target, is_picture = _checked(name, data, config)
                if (folder / target).exists():
                    raise PictureError("there is a file of this name already")
                if len(data) > room:
                    raise PictureError("there is no room left in this folder")
                with replacing(folder / target) as temporary:
                    temporary.write_bytes(data)
            except PictureError as error:
                kept.refused[name[:200]] = str(error)
                continue
            except OSError as error:  # a folder of this name, or a file where a folder is to be
                kept.refused[name[:200]] = f"it cannot be kept under this name: {error.strerror}"
                continue
            room -= len(data)
            kept.pictures += is_picture
            kept.captions += not is_picture
        if not (kept.pictures or kept.captions):
            first = next(iter(kept.refused.items()), ("nothing", "there were no files"))
            raise DataError(f"none of what was sent is a picture or a caption: {first[0]}: {first[1]}")
    except BaseException:
        if is_new:
            keeping.remove(folder)
        raise
    return kept


def _checked(name: str, data: bytes, config: ServeConfig) -> tuple[str, bool]:
    """The name to keep it under, and whether it is a picture; PictureError says why it is not taken."""
    clean = clean_name(name)
    ending = Path(clean).suffix.lower()
    base = Path(clean).name
    if base in METADATA or ending in CAPTIONS:
        most = METADATA_BYTES if base in METADATA else CAPTION_BYTES
        if len(data) > most:
            raise PictureError(f"it has more than the {most:,} bytes that captions may have")
        try:
            data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise PictureError("its captions are not text in UTF-8") from None
        return clean, False
    endings = ENDINGS[format_of(checked(data, config.limits))]
    # A wrong ending stays, as captions are found by it; what lies there is known by its content.
    return (clean if ending in PICTURES else clean + endings[0]), True


def clean_name(name: str) -> str:
    """A relative path of harmless parts, as it was wherever that is possible.

    "../a/b:c.png" => "a/b_c.png". Pictures and their captions keep names that go together. PictureError
    where nothing of the name is left, or it is too deep.
    """
    parts = []
    for part in unicodedata.normalize("NFC", name).replace("\\", "/").split("/"):
        part = _HARMFUL.sub("_", part).strip(" .")
        stem, dot, ending = part.rpartition(".")
        part = (
            f"{_short(stem, STEM_BYTES)}{dot}{_short(ending, ENDING_BYTES)}"
            if dot
            else _short(part, STEM_BYTES)
        )
        if part:
            parts.append(part)
    if not parts:
        raise PictureError("it has no name")
    if len(parts) > DEPTH:
        raise PictureError(f"it lies in more than {DEPTH - 1} folders within each other")
    return "/".join(parts)


def _short(text: str, most: int) -> str:
    """Its beginning, of so many bytes: disks count those."""
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")
