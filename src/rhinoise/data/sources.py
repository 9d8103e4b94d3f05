"""One word for every source of pictures: a named set, a folder, shards, parquet files, or a hub name."""

import re
from collections.abc import Callable
from pathlib import Path

from rhinoise.core.errors import ConfigError, DataError
from rhinoise.core.files import cache_folder
from rhinoise.data.dataset import Dataset
from rhinoise.data.emoji import open_emoji
from rhinoise.data.folder import Captions, has_pictures, open_folder

DATASETS: dict[str, Callable[[], Dataset]] = {"emoji": open_emoji}
"""Data sets by name; a folder of the same name is asked for as ./emoji."""

SHARDS = (".tar", ".parquet")

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def open_dataset(source: str | Path, *, captions: Captions = "auto", caption_lines: bool = False) -> Dataset:
    """The captioned pictures of `source`.

    "emoji", a folder (of pictures, or of shards), a .tar or .parquet file, or "owner/name" on the Hugging
    Face hub, which alone uses the network, and only when nothing on the disk has that name. `captions` and
    `caption_lines` say how a folder is captioned. DataError when there is nothing to learn from.
    """
    path = Path(source).expanduser()
    is_folder = str(source) not in DATASETS and path.is_dir()
    shards = _shards(path) if is_folder else []
    if (captions != "auto" or caption_lines) and (shards or not is_folder) and path.exists():
        raise ConfigError(
            f"{source} brings its captions: a source of captions is chosen for folders of pictures"
        )
    if str(source) in DATASETS:
        return DATASETS[str(source)]()
    if is_folder and not shards:
        return open_folder(path, captions, caption_lines)
    cache = cache_folder() / "datasets"
    if shards or path.suffix in SHARDS:
        from rhinoise.data.hub import open_shards

        return open_shards(shards or [path], cache)
    if path.exists() or not _HUB_NAME.fullmatch(str(source)) or path.parent.exists():
        if path.is_file():
            raise DataError(f"{source} is a file, wanted a folder of captioned pictures, .tar or .parquet")
        raise DataError(
            f"there is no folder {source}: give a folder of captioned pictures, {', '.join(DATASETS)}, "
            "a .tar or .parquet file, or owner/name on the Hugging Face hub"
        )
    from rhinoise.data.hub import open_hub

    return open_hub(str(source), cache)


def _shards(folder: Path) -> list[Path]:
    """The shards directly in a folder that holds no pictures of its own."""
    shards = sorted(
        file
        for file in folder.iterdir()
        if file.suffix in SHARDS and not file.name.startswith((".", "metadata."))
    )
    return shards if shards and not has_pictures(folder) else []
