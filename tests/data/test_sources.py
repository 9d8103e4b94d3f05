"""Every kind of source, by its one word; and `datasets` behind shards, parquet files and the hub."""

import io
import json
import socket
import tarfile

import datasets
import huggingface_hub
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from rhinoise.core.errors import ConfigError, DataError
from rhinoise.data import hub
from rhinoise.data.sources import DATASETS, found, open_dataset

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:::PIL"),
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:(datasets|fsspec|huggingface_hub)"),
]


@pytest.fixture(autouse=True)
def _cache_and_no_network(tmp_path_factory, monkeypatch):
    """A cache of its own, and a machine without a network: whoever asks for an address fails the test."""
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path_factory.mktemp("cache")))
    asked: list[object] = []

    def refuse(host: object, *args: object, **kwargs: object) -> None:
        asked.append(host)
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    datasets.disable_progress_bars()
    yield
    assert not asked


def png(colour: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def shard(path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def captioned(dataset) -> list[tuple[tuple[str, ...], int]]:
    return [
        (example.captions, dataset.picture(index).getpixel((5, 5))[0])
        for index, example in enumerate(dataset.examples)
    ]


def test_shards_with_texts(tmp_path):
    for number in range(2):
        files = {}
        for index in (2 * number, 2 * number + 1):
            files |= {f"{index:04}.png": png(index), f"{index:04}.txt": f"number {index}".encode()}
        shard(tmp_path / f"set-{number:06}.tar", files)
    assert captioned(open_dataset(tmp_path)) == [((f"number {index}",), index) for index in range(4)]
    assert captioned(open_dataset(tmp_path / "set-000001.tar"))[0] == (("number 2",), 2)


def test_shards_with_json(tmp_path):
    files = {}
    for index in range(3):
        files |= {f"{index}.png": png(index), f"{index}.json": json.dumps({"caption": f"n {index}"}).encode()}
    shard(tmp_path / "set.tar", files)
    assert captioned(open_dataset(tmp_path / "set.tar")) == [((f"n {index}",), index) for index in range(3)]


def test_bad_samples_of_a_shard_are_skipped(tmp_path):
    pictures = [png(0), b"", b"a text", png(3)]
    files = {}
    for index, picture in enumerate(pictures):
        files |= {f"{index}.png": picture, f"{index}.txt": b"" if index == 3 else b"x"}
    shard(tmp_path / "set.tar", files)
    dataset = open_dataset(tmp_path / "set.tar")
    assert [example.name for example in dataset.examples] == ["0"]
    assert [(skip.name, skip.reason.split(",")[0]) for skip in dataset.skipped] == [
        ("1", "the file is empty"),
        ("2", "it is a text file"),
        ("3", "it has no caption"),
    ]


def write_parquet(path, **columns: list) -> None:
    parquet.write_table(pyarrow.table(columns), path)


def test_parquet_of_bytes(tmp_path):
    pictures = [{"bytes": png(index), "path": None} for index in range(2)]
    write_parquet(tmp_path / "a.parquet", image=pictures, text=["one", "two"])
    assert captioned(open_dataset(tmp_path / "a.parquet")) == [(("one",), 0), (("two",), 1)]
    write_parquet(tmp_path / "b.parquet", picture=[png(7)], captions=[["one", "two", "one"]])
    assert captioned(open_dataset(tmp_path / "b.parquet")) == [(("one", "two"), 7)]


def test_parquet_of_the_type_image(tmp_path):
    features = datasets.Features({"photo": datasets.Image(), "prompt": datasets.Value("string")})
    rows = {"photo": [{"bytes": png(3), "path": None}], "prompt": ["three"]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train-00000.parquet")
    assert captioned(open_dataset(tmp_path)) == [(("three",), 3)]


def test_caption_columns_are_asked_in_order():
    features = {name: datasets.Value("string") for name in ("prompt", "caption", "label")}
    read = hub._caption_reader("set", features)
    assert list(read({"prompt": "no", "caption": "yes", "label": "no"})) == ["yes"]


REFUSED = {
    "no caption column": ({"image": [png(0)], "label": ["x"]}, "has the columns image, label"),
    "no pictures": ({"number": [1], "text": ["x"]}, "no column of pictures among number, text"),
    "two pictures": ({"a": [png(0)], "b": [png(1)], "text": ["x"]}, "several columns of pictures (a, b)"),
    "nothing usable": ({"a": [b"x"], "text": ["x"]}, "holds no picture that can be used; the first, row 0"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tables_are_refused_in_one_sentence(tmp_path, kind):
    columns, sentence = REFUSED[kind]
    write_parquet(tmp_path / "a.parquet", **columns)
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "a.parquet")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.tar", "a.parquet"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 200])
def test_broken_files_are_refused_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} ") as caught:
        open_dataset(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_names_folders_and_what_is_neither(tmp_path):
    assert set(DATASETS) == {"emoji", "emoji_composed"}
    assert open_dataset("emoji").name == "emoji"
    (tmp_path / "cat.png").write_bytes(png(1))
    assert open_dataset(str(tmp_path), captions="names").examples[0].captions == ("cat",)
    with pytest.raises(DataError, match="is a file, wanted a folder"):
        open_dataset(tmp_path / "cat.png")
    with pytest.raises(DataError, match="there is no file"):
        open_dataset(tmp_path / "missing.tar")
    for missing in ("missing", tmp_path / "missing", "./missing/folder"):
        with pytest.raises(DataError, match="there is no folder"):
            open_dataset(missing)


@pytest.mark.parametrize("options", [{"captions": "names"}, {"caption_lines": True}])
def test_captions_are_chosen_for_folders_only(tmp_path, options):
    write_parquet(tmp_path / "a.parquet", image=[png(0)], text=["one"])
    for source in ("emoji", tmp_path, tmp_path / "a.parquet"):
        with pytest.raises(ConfigError, match="folders of pictures"):
            open_dataset(source, **options)


def test_the_hub_is_asked_only_by_name_and_fails_in_one_sentence(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"no file or folder owner/name.*Hugging Face hub") as caught:
        open_dataset("owner/name")
    assert "\n" not in str(caught.value)


def test_a_source_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "emoji").mkdir()
    monkeypatch.chdir(tmp_path)
    assert found("photos") == str(tmp_path / "photos")
    assert found("./emoji") == str(tmp_path / "emoji")
    assert [found(name) for name in ("emoji", "owner/name", "phtos")] == ["emoji", "owner/name", "phtos"]
