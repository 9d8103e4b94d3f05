"""One word for every source of pictures: a named set, a folder, shards, parquet files, or a hub name."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from rhinoise.core.errors import ConfigError, DataError
from rhinoise.core.files import cache_folder
from rhinoise.data.composed import open_composed
from rhinoise.data.dataset import Dataset
from rhinoise.data.emoji import open_emoji
from rhinoise.data.folder import has_pictures, open_folder

DATASETS: dict[str, Callable[[], Dataset]] = {
    "emoji": open_emoji,
    "emoji_composed": open_composed,
}
"""Data sets by name; a folder of the same name is asked for as ./emoji."""

SHARDS = (".tar", ".parquet")

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def open_dataset(source: str | Path, *, captions: str = "auto", caption_lines: bool = False) -> Dataset:
    """The captioned pictures of `source`.

    "emoji", a folder (of pictures, or of shards), a .tar or .parquet file, or "owner/name" on the Hugging
    Face hub, which alone uses the network, and only when nothing on the disk has that name. `captions` and
    `caption_lines` say how a folder is captioned. DataError when there is nothing to learn from.
    """
    name, path = str(source), Path(source).expanduser()
    shards = [path] if path.suffix in SHARDS else _shards(path)
    if name not in DATASETS and path.is_dir() and not shards:
        return open_folder(path, captions, caption_lines)
    if path.is_file() and not shards:
        raise DataError(f"{name} is a file, wanted a folder of captioned pictures, .tar or .parquet")
    # A mistyped path is not looked for in the network: "photos/cts", where there is a folder photos.
    on_the_hub = _HUB_NAME.fullmatch(name) is not None and not path.parent.exists()
    if name not in DATASETS and not shards and not on_the_hub:
        near = get_close_matches(name, DATASETS, n=1)
        hint = f"did you mean {near[0]}? Or " if near else ""
        raise DataError(
            f"there is no folder {name}: {hint}give a folder of captioned pictures, {', '.join(DATASETS)}, "
            "a .tar or .parquet file, or owner/name on the Hugging Face hub"
        )
    if captions != "auto" or caption_lines:
        raise ConfigError(
            f"{name} brings its captions: where they come from is chosen for folders of pictures"
        )
    if name in DATASETS:
        return DATASETS[name]()

    from rhinoise.data.hub import open_hub, open_shards  # `datasets` takes a second to import

    cache = cache_folder() / "datasets"
    return open_shards(shards, cache) if shards else open_hub(name, cache)


def found(source: str) -> str:
    """A source as it can be opened from any folder: a path on the disk whole, all else as it stands."""
    path = Path(source).expanduser()
    return str(path.resolve()) if source not in DATASETS and path.exists() else source


def _shards(path: Path) -> list[Path]:
    """The shards directly in a folder that holds no pictures of its own."""
    if not path.is_dir():
        return []
    names = sorted(file for file in path.iterdir() if file.suffix in SHARDS)
    shards = [file for file in names if not file.name.startswith((".", "metadata."))]
    return shards if shards and not has_pictures(path) else []
