"""Data sets that Hugging Face `datasets` reads: webdataset shards, parquet files, and the hub by name.

Local files are given to their builders directly: `load_dataset` would report their use to the hub, and the
network is used only for a data set that was asked for by its hub name.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

from rhinoise.core.errors import DataError, PictureError
from rhinoise.core.images import Colour, inspect_picture, open_picture, read_bytes
from rhinoise.data.dataset import Dataset, Example, Skipped
from rhinoise.data.folder import CAPTION_COLUMNS, caption_column, clean

Row = Mapping[str, Any]


def open_shards(files: Sequence[Path], cache: Path) -> Dataset:
    """Webdataset shards (`name-000000.tar`) or parquet files, all of one kind, as one data set.

    A sample of a shard is jpg|png|webp and txt|json of one stem; its json is asked for the caption columns.
    """
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise DataError(f"there is no file {missing}")
    kinds = {file.suffix for file in files}
    if len(kinds) != 1 or not kinds <= set(_READERS):
        raise DataError(
            f"found files of the kinds {', '.join(sorted(kinds))}; wanted only .tar or only .parquet"
        )
    name = files[0].name if len(files) == 1 else files[0].resolve().parent.name
    try:
        table = _READERS[kinds.pop()]([str(file) for file in files], cache)
    except Exception as error:  # of datasets, pyarrow, tarfile, json and fsspec
        raise DataError(f"{name} cannot be read ({_said(error)})") from error
    return _dataset(name, table)


def open_hub(name: str, cache: Path) -> Dataset:
    """A data set of the Hugging Face hub, by its name "owner/name": its split `train`, or its only one."""
    try:
        splits = datasets.load_dataset(name, cache_dir=str(cache))
    except Exception as error:  # of datasets, huggingface_hub, httpx and fsspec
        raise DataError(
            f"there is no file or folder {name}, and no data set of that name could be read from the "
            f"Hugging Face hub ({_said(error)})"
        ) from error
    if "train" not in splits and len(splits) > 1:
        raise DataError(f"{name} has no split train among {', '.join(splits)}")
    return _dataset(name, splits["train"] if "train" in splits else next(iter(splits.values())))


def _read_tar(files: Sequence[str], cache: Path) -> datasets.Dataset:
    from datasets.packaged_modules.webdataset.webdataset import WebDataset

    builder = WebDataset(cache_dir=str(cache), data_files={"train": list(files)})
    builder.download_and_prepare()
    return builder.as_dataset("train")


def _read_parquet(files: Sequence[str], cache: Path) -> datasets.Dataset:
    return datasets.Dataset.from_parquet(list(files), cache_dir=str(cache))


_READERS: dict[str, Callable[[Sequence[str], Path], datasets.Dataset]] = {
    ".tar": _read_tar,
    ".parquet": _read_parquet,
}


# --- a table => a Dataset


def _dataset(name: str, table: datasets.Dataset) -> Dataset:
    column = _image_column(name, table.features)
    captions = _caption_reader(name, table.features)
    if isinstance(table.features[column], datasets.Image):
        # Bytes, not pictures: decoding is ours, with its checks, and only when a picture is wanted.
        table = table.cast_column(column, datasets.Image(decode=False))
    examples: list[Example] = []
    rows: list[int] = []
    skipped: list[Skipped] = []
    for index, row in enumerate(table):
        label = str(row.get("__key__", f"row {index}"))
        try:
            data = _bytes(row[column])
            header = inspect_picture(data)
        except PictureError as error:
            skipped.append(Skipped(label, str(error)))
            continue
        good, reasons = clean(captions(row))
        if not good and not reasons:
            reasons = ["it has no caption"]
        skipped += [Skipped(label, reason) for reason in reasons]
        if not good:
            continue
        said = tuple(dict.fromkeys(good))
        digest = hashlib.sha256(data).hexdigest()
        examples.append(Example(name=label, captions=said, digest=digest, header=header))
        rows.append(index)
    if not examples:
        first = f"; the first, {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{name} holds no picture that can be used{first}")

    def read(index: int, size: int | None, background: Colour) -> Image.Image:
        return open_picture(_bytes(table[rows[index]][column]), background, size)

    return Dataset(name=name, examples=tuple(examples), read=read, skipped=tuple(skipped))


def _image_column(name: str, features: Mapping[str, Any]) -> str:
    """The column of pictures: of the type Image, else of bytes, as other writers leave them."""
    for is_image in (_is_image, _holds_bytes):
        columns = [column for column, feature in features.items() if is_image(feature)]
        if len(columns) == 1:
            return columns[0]
        if columns:
            raise DataError(f"{name} has several columns of pictures ({', '.join(columns)}); wanted one")
    raise DataError(f"{name} has no column of pictures among {', '.join(features)}")


def _is_image(feature: Any) -> bool:
    return isinstance(feature, datasets.Image)


def _holds_bytes(feature: Any) -> bool:
    binary = ("binary", "large_binary")
    if isinstance(feature, Mapping):
        feature = feature.get("bytes")
    return isinstance(feature, datasets.Value) and feature.dtype in binary


def _bytes(value: Any) -> bytes:
    if isinstance(value, Mapping):
        value = value["bytes"] if value.get("bytes") is not None else value.get("path")
    if value is None:
        raise PictureError("there is no picture")
    return value if isinstance(value, bytes) else read_bytes(Path(value))


def _caption_reader(name: str, features: Mapping[str, Any]) -> Callable[[Row], Iterator[str]]:
    """The captions of a row: of a shard's txt or json, else of the first caption column."""
    if "txt" in features:
        return lambda row: _texts(row["txt"])
    if "json" in features:
        return lambda row: _texts(
            next((row["json"][key] for key in CAPTION_COLUMNS if key in (row["json"] or ())), None)
        )
    column = caption_column(name, features, also=())
    return lambda row: _texts(row[column])


def _texts(value: Any) -> Iterator[str]:
    """A caption, or several; what is empty or no text is none."""
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and text.split():
            yield text


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
