"""What was once a fault of the program, and is refused in a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from rhinoise.core.errors import ConfigError, DataError, PictureError
from rhinoise.server.drawing import check_size
from rhinoise.server.folders import clean_name
from rhinoise.server.given import FILLS
from rhinoise.server.settings import Limits
from rhinoise.server.worker.task import Task

HALF = b'"\\ud800"'


@pytest.mark.parametrize("size", [(10_000, 1), (1, 10_000)])
def test_a_picture_too_narrow_to_be_fitted(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="too narrow"):
        FILLS["pad"](Image.new("RGB", size), (64, 64))
    assert FILLS["pad"](Image.new("RGB", (100, 1)), (64, 64)).size == (64, 64)


@pytest.mark.parametrize(("format", "most"), [("jpeg", 65_500), ("webp", 16_383)])
def test_a_side_that_a_format_has_no_room_for(format: Any, most: int) -> None:
    check_size((most, 1), Limits(), format)
    with pytest.raises(ConfigError, match="a side of a"):
        check_size((most + 1, 1), Limits(), format)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sdapi/v1/txt2img", b'{"sampler_name": %b}' % HALF),
        ("/sdapi/v1/txt2img", b'{"scheduler": %b}' % HALF),
        ("/sdapi/v1/txt2img", b'{"comments": %b}' % HALF),
        ("/v1/images/generations", b'{"prompt": "x", "model": %b}' % HALF),
        ("/v1/images/generations", b'{"prompt": "x", "user": %b}' % HALF),
        ("/v1/images/generations", b'{"prompt": "x", %b: ""}' % HALF),
    ],
)
def test_halves_of_characters(asking: Callable[..., TestClient], path: str, body: bytes) -> None:
    answer = asking().post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


def test_a_models_name_is_ascii(asking: Callable[..., TestClient]) -> None:
    ask = {"kind": "train", "name": "münze", "source": "emoji"}
    assert asking().post("/api/v1/jobs", json=ask).status_code == 422


def test_names_are_as_short_as_disks_want_them_in_bytes() -> None:
    assert len(clean_name("ü" * 200 + ".png").encode()) <= 204
    assert clean_name("ü" * 200 + ".png").endswith("ü.png")


def test_one_file_that_cannot_be_kept_leaves_the_others(asking: Callable[..., TestClient]) -> None:
    files = [("a.txt", b"a cat"), ("a.txt/b.txt", b"a dog"), ("c.txt", b"a cow")]
    answer = asking().post("/api/v1/folders", files=[("files", file) for file in files])
    assert answer.status_code == 201
    assert (answer.json()["captions"], list(answer.json()["refused"])) == (2, ["a.txt/b.txt"])


def test_a_full_disk_is_told(asking: Callable[..., TestClient]) -> None:
    client = asking()
    client.app.state.jobs.store.connection.execute("pragma max_page_count = 1")
    ask = {"kind": "generate", "prompt": "x" * 4000}
    answers = [client.post("/api/v1/jobs", json=ask) for _ in range(10)]
    assert answers[-1].status_code == 507
    assert "disk is full" in answers[-1].json()["error"]


def test_what_a_job_tells_has_no_places_of_this_disk(tmp_path: Path) -> None:
    told: list[Any] = []
    out = tmp_path / "a" / "out"
    task = Task({"id": "a", "kind": "generate", "request": {}, "out": str(out)}, told.append)
    task.fail(DataError(f"{tmp_path / 'a' / 'in' / 'image'} is no picture, see {out}"))
    assert told[0]["error"] == "image is no picture, see its folder"
