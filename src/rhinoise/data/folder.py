"""A folder of captioned pictures, as people have them. Nothing in it is ever changed.

Captions come from `metadata.csv | jsonl | parquet` (columns `file_name` and `text`, in the folder or in any
sub-folder, paths relative to it), from sidecars (`cat.txt` or `cat.caption` beside `cat.png`), or from file
names. What cannot be used is skipped with a reason; only a folder without any usable picture is an error.
"""

import csv
import hashlib
import io
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from rhinoise.core.errors import DataError, PictureError, UnknownNameError
from rhinoise.core.images import Colour, Header, inspect_picture, open_picture, read_bytes
from rhinoise.data.dataset import Dataset, Example, Read, Skipped

CAPTION_COLUMNS = ("text", "caption", "captions", "prompt")
"""The columns that may hold captions; the first that is there does."""

_PICTURES = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
# Pictures that cannot be opened: taken up so that they are named as skipped.
_FOREIGN = {".heic", ".heif", ".avif", ".jxl", ".svg", ".psd"}
_SIDECARS = (".txt", ".caption")
_IGNORED_FOLDERS = {"__MACOSX", "@eaDir"}  # thumbnails and resource forks that look like pictures
_IGNORED_TEXTS = {"readme", "license", "licence"}
_WORKERS = 2

# What a camera or a download calls a picture: no caption.
_CAMERA_NAME = re.compile(r"(img|dsc[nf]?|pxl|image|photo|pict?|screenshot|untitled)?[\W\d_]*", re.IGNORECASE)
_COUNTER = re.compile(r"(\s*\(\d+\)|[ _.-]+\d{3,})$")


def open_folder(folder: Path, captions: str = "auto", caption_lines: bool = False) -> Dataset:
    """The captioned pictures below `folder`, sorted by path.

    `captions` is one of `CAPTIONS`. A sidecar is one caption; with `caption_lines` each of its lines is one.
    Every file is read once for its digest, and decoded only when its picture is asked for. DataError where
    nothing can be learnt.
    """
    if captions not in CAPTIONS:
        raise UnknownNameError("source of captions", captions, CAPTIONS)
    if not folder.exists():
        raise DataError(f"there is no folder {folder}: give a folder of captioned pictures, or 'emoji'")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file, wanted the folder that holds the pictures")
    listing = _list(folder)
    if not listing.pictures:
        what = "is empty" if not listing.files else "holds no pictures (png, jpg, webp, gif, bmp, tiff)"
        raise DataError(f"the folder {folder} {what}")

    found = CAPTIONS[captions](listing, caption_lines)
    if not found.captions:
        raise DataError(_no_captions(folder, captions, found.skipped))
    skipped = [*listing.skipped, *found.skipped]
    named = {skip.name for skip in skipped}
    examples: list[Example] = []
    names = [name for name in listing.pictures if name in found.captions]
    skipped += [
        Skipped(name, "it has no caption")
        for name in listing.pictures
        if name not in found.captions and name not in named
    ]
    with ThreadPoolExecutor(_WORKERS) as pool:
        for name, scanned in zip(
            names, pool.map(_scan, (listing.files[name] for name in names)), strict=True
        ):
            if isinstance(scanned, PictureError):
                skipped.append(Skipped(name, str(scanned)))
            else:
                digest, header = scanned
                examples.append(
                    Example(name=name, captions=found.captions[name], digest=digest, header=header)
                )
    if not examples:
        raise DataError(
            f"none of the {len(listing.pictures)} pictures in {folder} can be used; "
            f"the first, {skipped[0].name}: {skipped[0].reason}"
        )
    return Dataset(
        name=folder.resolve().name,
        examples=tuple(examples),
        read=_reader([(listing.files[example.name], example.digest) for example in examples]),
        skipped=tuple(sorted(skipped, key=lambda skip: skip.name)),
    )


def has_pictures(folder: Path) -> bool:
    """Whether any file below `folder` is named like a picture."""
    return bool(_list(folder).pictures)


def _scan(path: Path) -> tuple[str, Header] | PictureError:
    """The digest and the header of a picture whose header is in order."""
    try:
        data = read_bytes(path)
        header = inspect_picture(data)
    except PictureError as error:
        return error
    return hashlib.sha256(data).hexdigest(), header


def _reader(files: Sequence[tuple[Path, str]]) -> Read:
    def read(index: int, size: int | None, background: Colour) -> Image.Image:
        path, digest = files[index]
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != digest:
            raise PictureError("the file changed while it was being read")
        return open_picture(data, background, size)

    return read


# --- what lies in the folder


@dataclass(frozen=True, kw_only=True)
class _Listing:
    files: Mapping[str, Path]
    """Every visible file by its path below the folder, with forward slashes, sorted."""
    pictures: Sequence[str]
    """Those that are named like pictures."""
    skipped: Sequence[Skipped]


def _list(folder: Path) -> _Listing:
    skipped: list[Skipped] = []
    files = dict(sorted(_walk(folder, "", set(), skipped)))
    pictures = [name for name in files if Path(name).suffix.lower() in _PICTURES | _FOREIGN]
    return _Listing(files=files, pictures=pictures, skipped=skipped)


def _walk(folder: Path, prefix: str, seen: set[Path], skipped: list[Skipped]) -> Iterator[tuple[str, Path]]:
    """Every visible file; each folder once, so that links in circles end."""
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        skipped.append(Skipped(prefix, f"the folder cannot be read ({error.strerror})"))
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _IGNORED_FOLDERS:
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", seen, skipped)
        else:
            yield prefix + entry.name, Path(entry.path)


# --- where captions come from


@dataclass(frozen=True, kw_only=True)
class _Found:
    captions: Mapping[str, tuple[str, ...]]
    skipped: Sequence[Skipped]


def _from_metadata(listing: _Listing, caption_lines: bool) -> _Found:
    by_name = {_same(name): name for name in listing.files}
    captions: dict[str, list[str]] = {}
    skipped: list[Skipped] = []
    for name, path in listing.files.items():
        reader = _METADATA.get(Path(name).name)
        if reader is None:
            continue
        parent = name[: -len(Path(name).name)]
        try:
            data = read_bytes(path)
        except PictureError as error:
            raise DataError(f"{name}: {error}") from error
        for place, row in reader(name, data):
            if isinstance(row, str):
                skipped.append(Skipped(place, row))
                continue
            file_name, said = row
            wanted = parent + os.path.normpath(file_name).replace("\\", "/")
            picture = by_name.get(_same(wanted))
            if picture is None:
                skipped.append(Skipped(wanted, f"{name} has a caption for it, but there is no such file"))
                continue
            good, reasons = clean(said)
            skipped += [Skipped(picture, reason) for reason in reasons]
            if good:
                captions.setdefault(picture, []).extend(good)
    return _Found(
        captions={name: tuple(dict.fromkeys(said)) for name, said in captions.items()}, skipped=skipped
    )


def _from_sidecars(listing: _Listing, caption_lines: bool) -> _Found:
    pictures: dict[str, list[str]] = {}
    for name in listing.pictures:
        pictures.setdefault(_stem(name), []).append(name)
    captions: dict[str, tuple[str, ...]] = {}
    skipped: list[Skipped] = []
    for name, path in listing.files.items():
        if Path(name).suffix.lower() not in _SIDECARS or Path(name).stem.lower() in _IGNORED_TEXTS:
            continue
        if _stem(name) not in pictures:
            skipped.append(Skipped(name, "it is a caption without a picture of the same name"))
            continue
        try:
            text = read_bytes(path).decode("utf-8-sig", errors="surrogateescape")
        except PictureError as error:
            skipped.append(Skipped(name, str(error)))
            continue
        good, reasons = clean(
            [line for line in text.splitlines() if line.strip()] if caption_lines else [text]
        )
        for picture in pictures[_stem(name)]:
            skipped += [Skipped(picture, f"{reason} ({Path(name).name})") for reason in reasons]
            if good:
                captions[picture] = tuple(dict.fromkeys((*captions.get(picture, ()), *good)))
    return _Found(captions=captions, skipped=skipped)


def _from_metadata_then_sidecars(listing: _Listing, caption_lines: bool) -> _Found:
    metadata, sidecars = _from_metadata(listing, caption_lines), _from_sidecars(listing, caption_lines)
    captions = {**sidecars.captions, **metadata.captions}
    skipped = [skip for skip in (*metadata.skipped, *sidecars.skipped) if skip.name not in captions]
    return _Found(captions=captions, skipped=skipped)


def _from_names(listing: _Listing, caption_lines: bool) -> _Found:
    captions: dict[str, tuple[str, ...]] = {}
    skipped: list[Skipped] = []
    for name in listing.pictures:
        caption = caption_of_name(name)
        good, reasons = clean([caption]) if caption else ([], ["its name holds no words"])
        skipped += [Skipped(name, reason) for reason in reasons]
        if good:
            captions[name] = tuple(good)
    return _Found(captions=captions, skipped=skipped)


CAPTIONS: dict[str, Callable[[_Listing, bool], _Found]] = {
    "auto": _from_metadata_then_sidecars,
    "metadata": _from_metadata,
    "sidecar": _from_sidecars,
    "names": _from_names,
}
"""Where captions come from. `auto` asks metadata, then sidecars, for each picture."""


def caption_of_name(name: str) -> str:
    """A path as words: "cats/my_black-cat (2).jpg" => "my black cat"; "cats/IMG_0001.jpg" => "cats".

    The folder's name speaks where the file's is a number or a camera's; "" where neither says anything.
    """
    path = Path(name)
    for part in (path.stem, path.parent.name):
        if not _CAMERA_NAME.fullmatch(part):
            return " ".join(re.sub(r"[_\-.+~]+", " ", _COUNTER.sub("", part)).split())
    return ""


def clean(said: Iterable[Any]) -> tuple[list[str], list[str]]:
    """Captions in single spaces, and why others are none."""
    good: list[str] = []
    reasons: list[str] = []
    for caption in said:
        if not isinstance(caption, str):
            reasons.append("its caption is not text")
        elif not _is_utf8(caption):
            reasons.append("its caption is not UTF-8")
        elif not caption.split():
            reasons.append("its caption is empty")
        else:
            good.append(" ".join(caption.split()))
    return good, reasons


def _is_utf8(text: str) -> bool:
    """Whether text can be written: bytes that were not UTF-8, and halves of letters in JSON, cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _same(name: str) -> str:
    """One spelling for names that macOS and others compose differently."""
    return unicodedata.normalize("NFC", name)


def _stem(name: str) -> str:
    return _same(name[: len(name) - len(Path(name).suffix)])


def _no_captions(folder: Path, captions: str, skipped: Sequence[Skipped]) -> str:
    first = f" (the first that failed, {skipped[0].name}: {skipped[0].reason})" if skipped else ""
    ways = {
        "auto": (
            "add a metadata.csv with the columns file_name and text, or a cat.txt beside each cat.png, "
            "or take file names as captions with --captions names"
        ),
        "metadata": "add a metadata.csv with the columns file_name and text",
        "sidecar": "add a cat.txt beside each cat.png",
        "names": "name the files by what they show",
    }
    return f"the pictures in {folder} have no captions{first}: {ways[captions]}"


# --- metadata files: name, bytes => (place, (file_name, captions) or why there is none)

_Row = tuple[str, tuple[str, list[Any]] | str]


def _csv_rows(name: str, data: bytes) -> Iterator[_Row]:
    text = data.decode("utf-8-sig", errors="surrogateescape")
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        column = caption_column(name, rows.fieldnames or ())
        for row in rows:
            yield _row(f"{name} line {rows.line_num}", row, column)
    except csv.Error as error:
        raise DataError(f"{name} is not a CSV file in UTF-8 ({error})") from error


def _jsonl_rows(name: str, data: bytes) -> Iterator[_Row]:
    lines = data.decode("utf-8-sig", errors="surrogateescape").splitlines()
    for number, line in enumerate(lines, start=1):
        place = f"{name} line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            yield place, "the line is not a JSON object"
            continue
        try:
            column = caption_column("it", row)
        except DataError as error:
            yield place, str(error)
        else:
            yield _row(place, row, column)


def _parquet_rows(name: str, data: bytes) -> Iterator[_Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{name} is not a parquet file ({str(error).splitlines()[0]})") from error
    column = caption_column(name, table.column_names)
    for number, row in enumerate(table.select(["file_name", column]).to_pylist(), start=1):
        yield _row(f"{name} row {number}", row, column)


_METADATA = {
    "metadata.csv": _csv_rows,
    "metadata.jsonl": _jsonl_rows,
    "metadata.parquet": _parquet_rows,
}


def caption_column(name: str, columns: Iterable[str], also: Sequence[str] = ("file_name",)) -> str:
    """The column that holds captions; DataError names the columns there are."""
    columns = list(columns)
    column = next((column for column in CAPTION_COLUMNS if column in columns), None)
    if column is None or not set(also) <= set(columns):
        wanted = " and ".join((*also, "one of " + ", ".join(CAPTION_COLUMNS)))
        raise DataError(f"{name} has the columns {', '.join(map(str, columns)) or '(none)'}; wanted {wanted}")
    return column


def _row(place: str, row: Mapping[str, Any], column: str) -> _Row:
    file_name, said = row["file_name"], row[column]
    if not isinstance(file_name, str) or not file_name:
        return place, "it names no file"
    return place, (file_name, said if isinstance(said, list) else ["" if said is None else said])
