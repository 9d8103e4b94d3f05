"""Folders as people have them: where captions come from, what is skipped and why, what is refused."""

import contextlib
import hashlib
import io
import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rhinoise.core.errors import DataError, RhinoiseError, UnknownNameError
from rhinoise.data.folder import caption_of_name, open_folder

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL")


def png(colour: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def captions(folder: Path, **options: object) -> dict[str, tuple[str, ...]]:
    return {example.name: example.captions for example in open_folder(folder, **options).examples}


def parquet(rows: list[dict]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


ROWS = [
    {"file_name": "a.png", "text": "one, with a comma"},
    {"file_name": "sub/b.png", "text": "zwei Äpfel"},
]
CSV = 'file_name,text\na.png,"one, with a comma"\nsub/b.png,zwei Äpfel\n'
METADATA = {
    "csv": ("metadata.csv", CSV),
    "csv with BOM": ("metadata.csv", b"\xef\xbb\xbf" + CSV.encode()),
    "csv of Windows": ("metadata.csv", CSV.replace("\n", "\r\n").replace("sub/b", "sub\\b")),
    "csv with more columns": ("metadata.csv", CSV.replace("\n", ",x\n")),
    "csv column caption": ("metadata.csv", CSV.replace("text", "caption")),
    "jsonl": ("metadata.jsonl", "\n".join(map(json.dumps, ROWS))),
    "jsonl with BOM": ("metadata.jsonl", b"\xef\xbb\xbf" + "\n\n".join(map(json.dumps, ROWS)).encode()),
    "parquet": ("metadata.parquet", parquet(ROWS)),
}


@pytest.mark.parametrize("kind", METADATA)
@pytest.mark.parametrize("source", ["auto", "metadata"])
def test_metadata(tmp_path, kind, source):
    name, content = METADATA[kind]
    write(tmp_path, {"a.png": png(), "sub/b.png": png(1), name: content})
    assert captions(tmp_path, captions=source) == {
        "a.png": ("one, with a comma",),
        "sub/b.png": ("zwei Äpfel",),
    }


def test_metadata_in_sub_folders_is_relative_to_them(tmp_path):
    files = {f"{sub}/a.png": png(index) for index, sub in enumerate("xyz")}
    files |= {f"{sub}/metadata.csv": f"file_name,text\na.png,a {sub}\n" for sub in "xyz"}
    assert captions(write(tmp_path, files)) == {f"{sub}/a.png": (f"a {sub}",) for sub in "xyz"}


def test_several_rows_or_a_list_are_several_captions(tmp_path):
    rows = [{"file_name": "a.png", "text": text} for text in ("one", ["two", "three"], "one")]
    write(tmp_path, {"a.png": png(), "metadata.jsonl": "\n".join(map(json.dumps, rows))})
    assert captions(tmp_path) == {"a.png": ("one", "two", "three")}


def test_names_composed_differently_are_the_same(tmp_path):
    """macOS stores é as e and an accent; a spreadsheet writes one letter."""
    write(tmp_path, {"cafe\u0301.png": png(), "metadata.csv": "file_name,text\ncaf\u00e9.png,a café\n"})
    assert list(captions(tmp_path).values()) == [("a café",)]


def test_sidecars(tmp_path):
    write(
        tmp_path,
        {"a.png": png(), "a.txt": "one\n two\n", "b.v2.jpg": png(1), "b.v2.caption": b"\xef\xbb\xbfthree"},
    )
    assert captions(tmp_path) == {"a.png": ("one two",), "b.v2.jpg": ("three",)}
    assert captions(tmp_path, caption_lines=True)["a.png"] == ("one", "two")


def test_auto_takes_metadata_before_sidecars(tmp_path):
    write(tmp_path, {"a.png": png(), "a.txt": "sidecar", "b.png": png(1), "b.txt": "sidecar"})
    write(tmp_path, {"metadata.csv": "file_name,text\na.png,metadata\n"})
    assert captions(tmp_path) == {"a.png": ("metadata",), "b.png": ("sidecar",)}
    assert captions(tmp_path, captions="sidecar")["a.png"] == ("sidecar",)
    assert captions(tmp_path, captions="metadata") == {"a.png": ("metadata",)}


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("my_black-cat (2).jpg", "my black cat"),
        ("cats/IMG_0001.jpg", "cats"),
        ("cats/0001.jpg", "cats"),
        ("cats/sleeping_tom_0001.png", "sleeping tom"),
        ("Apollo 11.png", "Apollo 11"),
        ("éléphant.rose.webp", "éléphant rose"),
        ("IMG_0001.jpg", ""),
        ("image.jpg", ""),
        ("imagination.jpg", "imagination"),
    ],
)
def test_names_as_captions(name, caption):
    assert caption_of_name(name) == caption


def test_names_are_captions_only_when_asked(tmp_path):
    write(tmp_path, {"black-cat.png": png(), "0001.png": png(1)})
    dataset = open_folder(tmp_path, captions="names")
    assert [example.captions for example in dataset.examples] == [("black cat",)]
    assert [skip.name for skip in dataset.skipped] == ["0001.png"]


# --- skipped with a reason; the others are kept

BOMB = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
SKIPPED = {
    "half a letter": (
        {"bad.png": png(9), "metadata.jsonl": '{"file_name": "bad.png", "text": "a \\ud83d"}'},
        "bad.png",
        "caption is not UTF-8",
    ),
    "line without a caption": (
        {"metadata.jsonl": '{"file_name": "bad.png", "label": 3}'},
        "metadata.jsonl line 1",
        "it has the columns file_name, label",
    ),
    "empty picture": ({"bad.png": b"", "bad.txt": "a caption"}, "bad.png", "empty"),
    "text named .png": ({"bad.png": "not a picture", "bad.txt": "a caption"}, "bad.png", "text file"),
    "decompression bomb": ({"bad.png": BOMB, "bad.txt": "a caption"}, "bad.png", "decompression bomb"),
    "HEIC": ({"bad.heic": b"\0\0\0\x18ftypheic", "bad.txt": "a caption"}, "bad.heic", "not a picture"),
    "empty caption": ({"bad.png": png(9), "bad.txt": " \n"}, "bad.png", "caption is empty"),
    "caption not UTF-8": ({"bad.png": png(9), "bad.txt": b"caf\xe9"}, "bad.png", "caption is not UTF-8"),
    "no caption": ({"bad.png": png(9)}, "bad.png", "no caption"),
    "lonely sidecar": ({"gone.txt": "a caption"}, "gone.txt", "without a picture"),
    "row without a picture": ({"metadata.csv": "file_name,text\ngone.png,x\n"}, "gone.png", "no such file"),
    "row outside": (
        {"metadata.csv": "file_name,text\n../../etc/x.png,x\n"},
        "../../etc/x.png",
        "no such file",
    ),
    "row not UTF-8": (
        {"bad.png": png(9), "metadata.csv": b"file_name,text\nbad.png,caf\xe9\n"},
        "bad.png",
        "caption is not UTF-8",
    ),
    "row empty": ({"bad.png": png(9), "metadata.csv": "file_name,text\nbad.png,\n"}, "bad.png", "is empty"),
    "row too short": (
        {"bad.png": png(9), "metadata.csv": "file_name,text\nbad.png\n"},
        "bad.png",
        "is empty",
    ),
    "row of numbers": (
        {"bad.png": png(9), "metadata.jsonl": '{"file_name": "bad.png", "text": 3}'},
        "bad.png",
        "not text",
    ),
    "broken line": ({"metadata.jsonl": "{"}, "metadata.jsonl line 1", "not a JSON object"),
}


@pytest.mark.parametrize("kind", SKIPPED)
def test_skipped_with_a_reason(tmp_path, kind):
    files, name, reason = SKIPPED[kind]
    write(tmp_path, {"good.png": png(), "good.txt": "good", "readme.txt": "about", "notes.pdf": "x", **files})
    dataset = open_folder(tmp_path)
    assert [example.name for example in dataset.examples] == ["good.png"]
    assert [skip.name for skip in dataset.skipped] == [name]
    assert reason in dataset.skipped[0].reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_named_like_a_picture_is_not_waited_for(tmp_path):
    write(tmp_path, {"good.png": png(), "good.txt": "good", "pipe.txt": "x"})
    os.mkfifo(tmp_path / "pipe.png")
    assert [(skip.name, skip.reason) for skip in open_folder(tmp_path).skipped] == [
        ("pipe.png", "not a file")
    ]


# --- refused, in one sentence

REFUSED = {
    "empty": ({}, "is empty"),
    "no pictures": ({"notes.txt": "x"}, "holds no pictures"),
    "no captions": ({"a.png": png()}, "--captions names"),
    "all skipped": ({"a.png": b"", "a.txt": "x", "b.png": "y", "b.txt": "z"}, "none of the 2 pictures"),
    "all captions empty": ({"a.png": png(), "a.txt": ""}, "its caption is empty"),
    "no column file_name": ({"a.png": png(), "metadata.csv": "file;text\n"}, "has the columns file;text"),
    "no caption column": (
        {"a.png": png(), "metadata.csv": "file_name,label\n"},
        "text, caption, captions, prompt",
    ),
    "broken parquet": ({"a.png": png(), "metadata.parquet": "nonsense"}, "not a parquet file"),
    "csv of UTF-16": ({"a.png": png(), "metadata.csv": CSV.encode("utf-16")}, "metadata.csv"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(tmp_path, kind):
    files, sentence = REFUSED[kind]
    with pytest.raises(DataError) as caught:
        open_folder(write(tmp_path, files))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_folder(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        open_folder(tmp_path / "missing")
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(DataError, match="is a file"):
        open_folder(tmp_path / "a.png")
    with pytest.raises(UnknownNameError, match="did you mean 'sidecar'"):
        open_folder(tmp_path, captions="sidecars")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.png", "a.txt", "metadata.csv", "metadata.jsonl", "metadata.parquet"]),
    content=st.one_of(st.binary(max_size=80), st.text(alphabet='file_nametxt.pg,"{}[]:\n\0', max_size=80)),
)
def test_no_content_raises_anything_but_our_errors(tmp_path, name, content):
    for file in tmp_path.iterdir():
        file.unlink()
    write(tmp_path, {"a.png": png(), "a.txt": "a caption", name: content})
    with contextlib.suppress(RhinoiseError):
        open_folder(tmp_path)


# --- what must not hurt


def test_hidden_files_links_in_circles_and_leftovers(tmp_path):
    write(tmp_path, {"a.png": png(), "a.txt": "a", "sub/b.png": png(1), "sub/b.txt": "b"})
    write(tmp_path, {".hidden/c.png": png(), "__MACOSX/._a.png": "x", "._a.png": "x", "sub/.d.png": "x"})
    (tmp_path / "sub" / "circle").symlink_to(tmp_path)
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "folder.png").mkdir()
    dataset = open_folder(tmp_path, captions="names")
    assert [example.name for example in dataset.examples] == ["a.png", "sub/b.png"]
    assert [skip.name for skip in dataset.skipped] == ["broken.png"]


def test_order_is_that_of_the_names(tmp_path):
    names = [f"{letter}.png" for letter in "dbcae"]
    write(tmp_path, {name: png(index) for index, name in enumerate(names)})
    assert [example.name for example in open_folder(tmp_path, captions="names").examples] == sorted(names)


def test_digests_and_pictures_are_the_files(tmp_path):
    write(tmp_path, {"cat.png": png(7)})
    dataset = open_folder(tmp_path, captions="names")
    assert dataset.examples[0].digest == hashlib.sha256(png(7)).hexdigest()
    assert dataset.picture(0).getpixel((3, 3)) == (7, 0, 0)


def test_user_files_are_never_changed(tmp_path):
    write(tmp_path, {"good.png": png(), "good.txt": "good"})
    for files, _, _ in SKIPPED.values():
        write(tmp_path, files)

    def state() -> list[tuple[str, str, int]]:
        paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        return [
            (str(path), hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in paths
        ]

    before = state()
    dataset = open_folder(tmp_path)
    dataset.picture(0)
    assert state() == before


def test_names_that_are_not_utf8_are_no_captions(tmp_path):
    write(tmp_path, {"black-cat.png": png()})
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(png(1))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    dataset = open_folder(tmp_path, captions="names")
    assert [example.captions for example in dataset.examples] == [("black cat",)]
    assert [skip.reason for skip in dataset.skipped] == ["its caption is not UTF-8"]
