"""What is sent: broken and oversized pictures, folders with odd names; nothing decoded, nothing a 500."""

import base64
import io
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from rhinoise.core.errors import PictureError
from rhinoise.server import keeping
from rhinoise.server.folders import clean_name, dropped
from rhinoise.server.pictures import FORMATS, checked, from_text
from rhinoise.server.settings import Limits

LIMITS = Limits(pixels=10_000, upload_bytes=100_000)


def picture(format: str = "PNG", size: tuple[int, int] = (32, 24)) -> bytes:
    written = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(written, format)
    return written.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def fuzzed(data: bytes, random_: random.Random) -> bytes:
    """Bytes of a picture changed, cut, repeated or put in front of others."""
    changed = bytearray(data)
    for _ in range(random_.randrange(1, 30)):
        changed[random_.randrange(min(len(changed), 200))] = random_.randrange(256)
    return bytes(changed[: random_.randrange(len(changed))] if random_.random() < 0.3 else changed)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_taken_by_its_content(format: str) -> None:
    data = picture(format)
    assert checked(data, LIMITS) == data
    assert from_text("data:image/any;base64," + base64.b64encode(data).decode(), LIMITS) == data


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%PDF-1.7", "not a picture"),
        (picture(size=(101, 100)), "more than the 10,000 pixels"),
        (bomb(5_000), "more than the 10,000 pixels"),
        (bomb(100_000), "more pixels than are taken"),
        (bytes(100_001), "more than the 100,000 that are taken"),
    ],
)
def test_what_is_refused_says_why(data: bytes, told: str) -> None:
    with pytest.raises(PictureError, match=told):
        checked(data, LIMITS)


@pytest.mark.parametrize("text", ["", "no base64!", "data:image/png;base64,", "ab\ud800cd", "=" * 9])
def test_text_that_is_no_picture(text: str) -> None:
    with pytest.raises(PictureError):
        from_text(text, LIMITS)


def test_a_thousand_broken_pictures_are_taken_or_refused_and_memory_stays_flat() -> None:
    random_ = random.Random(0)
    whole = [picture(format) for format in FORMATS]

    def look(number: int) -> None:
        for one in range(number):
            with suppress(PictureError):
                checked(fuzzed(whole[one % len(whole)], random_), LIMITS)

    look(100)  # Pillow's readers are loaded
    tracemalloc.start()
    look(1000)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2**20


# --- files named in requests


NAMES = [
    "upload:" + "0" * 32,
    "upload:../../etc/passwd",
    "upload:" + "0" * 31 + "/",
    "job:" + "0" * 32 + "/a.png",
    "job:" + "0" * 32 + "/../in/image",
    "job:" + "0" * 32 + "/..",
    "/etc/passwd",
    "a.png",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_reaches_another_file(asking: Callable[..., TestClient], name: str) -> None:
    client = asking()
    answer = client.post("/api/v1/jobs", json={"kind": "generate", "prompt": "x", "image": name})
    assert answer.status_code in (404, 422)
    assert client.get("/api/v1/jobs").json() == []


@pytest.mark.parametrize("name", ["%2e%2e%2fin%2fimage", "%2fetc%2fpasswd", "%00", "a" * 300, "a%2f" * 2000])
def test_no_path_leaves_a_jobs_folder(asking: Callable[..., TestClient], name: str) -> None:
    client = asking()
    sent = client.post("/api/v1/uploads", files={"file": picture()}).json()["name"]
    job = client.post("/api/v1/jobs", json={"kind": "forward", "image": sent}).json()
    assert client.get(f"/api/v1/jobs/{job['id']}/files/{name}").status_code == 404


def test_what_is_refused_half_way_leaves_nothing(asking: Callable[..., TestClient], tmp_path: Path) -> None:
    client = asking(data=tmp_path / "here")
    sent = client.post("/api/v1/uploads", files={"file": picture()}).json()["name"]
    ask = {"kind": "generate", "prompt": "x", "image": sent, "mask": NAMES[0]}
    assert client.post("/api/v1/jobs", json=ask).status_code == 404
    assert list((tmp_path / "here" / "jobs").iterdir()) == []
    assert client.post("/api/v1/jobs", json=ask | {"mask": sent}).status_code == 202
    (folder,) = (tmp_path / "here" / "jobs").iterdir()
    assert sorted(file.name for file in (folder / "in").iterdir()) == ["image", "mask"]


# --- folders


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("cat.png", "cat.png"),
        ("cats/a b (2).png", "cats/a b (2).png"),
        ("../../etc/passwd", "etc/passwd"),
        ("..\\..\\windows\\cat.png", "windows/cat.png"),
        ("/abs/cat.png", "abs/cat.png"),
        (".hidden.png", "hidden.png"),
        ("a:b*c?.png", "a_b_c_.png"),
        ("a\0b.png", "a_b.png"),
        ("a/b/c/d/e/f/g/h.png", "a/b/c/d/e/f/g/h.png"),
        ("x" * 300 + ".png", "x" * 200 + ".png"),
        ("50% off; #1! {a} ~ $b 😀.png", "50% off; #1! {a} ~ $b 😀.png"),
        ("हिन्दी.png", "हिन्दी.png"),
        ("u\u0308.png", "ü.png"),
    ],
)
def test_names_are_made_harmless(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@pytest.mark.parametrize("name", ["", "..", "/", "./..", " . ", "a/b/c/d/e/f/g/h/i.png"])
def test_what_has_no_name_left_or_lies_too_deep(name: str) -> None:
    with pytest.raises(PictureError):
        clean_name(name)


def send(client: TestClient, *files: tuple[str, bytes], into: str = "") -> Any:
    return client.post("/api/v1/folders", files=[("files", file) for file in files], data={"into": into})


def test_a_folder_is_sent_added_to_and_trained_on(asking: Callable[..., TestClient], tmp_path: Path) -> None:
    client = asking(data=tmp_path / "here")
    answer = send(
        client,
        ("cat.png", picture()),
        ("cat.txt", b"a cat"),
        ("../../outside.jpg", picture("JPEG")),
        ("photo.heic", picture("JPEG")),
        ("wrong.png", picture("JPEG")),
        ("metadata.csv", b"file_name,text\noutside.jpg,a dog\n"),
        ("cat.png", picture()),
        ("notes.pdf", b"%PDF-1.7"),
        ("odd.txt", b"\xff\xfe\xff"),
    )
    assert answer.status_code == 201
    told = answer.json()
    assert (told["pictures"], told["captions"]) == (4, 2)
    assert sorted(told["refused"]) == ["cat.png", "notes.pdf", "odd.txt"]
    folder = tmp_path / "here" / "uploads" / told["name"].removeprefix("folder:")
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert names == ["cat.png", "cat.txt", "metadata.csv", "outside.jpg", "photo.heic.jpg", "wrong.png"]
    assert send(client, ("more.png", picture()), into=told["name"]).json()["name"] == told["name"]
    assert client.post("/api/v1/jobs", json={"kind": "inspect", "source": told["name"]}).status_code == 202


@pytest.mark.parametrize("into", ["folder:../../jobs", "folder:" + "0" * 32, "x", "upload:" + "0" * 32])
def test_nothing_is_added_to_another_folder(asking: Callable[..., TestClient], into: str) -> None:
    assert send(asking(), ("a.png", picture()), into=into).status_code == 400


def test_a_folder_of_nothing_usable_is_refused_and_not_kept(
    asking: Callable[..., TestClient], tmp_path: Path
) -> None:
    client = asking(data=tmp_path / "here")
    answer = send(client, ("a.exe", b"MZ"))
    assert answer.status_code == 400
    assert "a.exe" in answer.json()["error"]
    assert list((tmp_path / "here" / "uploads").iterdir()) == []


def test_what_was_dropped_is_listed_by_its_own_name_as_long_as_it_is_kept(
    asking: Callable[..., TestClient], tmp_path: Path
) -> None:
    client = asking(data=tmp_path / "here")
    config, registry = client.app.state.jobs.config, client.app.state.jobs.registry
    loose = send(client, ("a.png", picture()), ("b.png", picture())).json()["name"]
    pets = send(client, ("pets/cats/a.png", picture()), ("pets/a.txt", b"a cat")).json()["name"]
    send(client, ("pets/cats/b.png", picture()), into=pets)
    listed = {one.name: one for one in dropped(config)}
    assert (listed[pets].title, listed[pets].pictures, listed[loose].pictures) == ("pets", 2, 2)
    assert registry.source(pets) == str(config.uploads / pets.removeprefix("folder:") / "pets")
    assert registry.source(loose) == str(config.uploads / loose.removeprefix("folder:"))
    keeping.remove(config.uploads / pets.removeprefix("folder:"))
    assert [one.name for one in dropped(config)] == [loose]
