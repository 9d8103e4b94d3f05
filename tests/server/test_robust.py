"""What once went on for ever, cost too much, or held everything else up."""

import io
import os
import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from rhinoise.server import keeping
from rhinoise.server.asks import shape
from rhinoise.server.ignored import HEADER
from rhinoise.server.queue import dispatch
from rhinoise.server.settings import FORM_LIMITS
from rhinoise.server.worker.facts import facts

ASK = {"kind": "generate", "prompt": "a red circle"}


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker comes up: what is asked for waits."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))


def picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(written, "PNG")
    return written.getvalue()


def waiting(client: TestClient, number: int) -> list[dict[str, Any]]:
    """The jobs that wait, once there are so many."""
    until = time.monotonic() + 30
    while len(found := client.get("/api/v1/jobs", params={"state": "waiting"}).json()) < number:
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def answered(client: TestClient, number: int, address: str, **asked: Any) -> tuple[list[dict[str, Any]], Any]:
    """The jobs of a request to a server within a `with`, and its answer when they were cancelled."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, address, **asked)
        jobs = waiting(client, number)
        for job in jobs:
            client.delete(f"/api/v1/jobs/{job['id']}")
        return jobs, answer.result()


# --- jobs that take the server down


@pytest.mark.usefixtures("idle")
def test_a_job_during_which_the_server_died_too_often_is_given_up(asking: Callable[..., TestClient]) -> None:
    client = asking()
    jobs, ids = client.app.state.jobs, []
    for losses in (dispatch.MOST_LOSSES - 1, dispatch.MOST_LOSSES):
        ids.append(client.post("/api/v1/jobs", json=ASK).json()["id"])
        jobs.store.set(ids[-1], losses=losses)
    with client:
        waits, failed = (client.get(f"/api/v1/jobs/{id}").json() for id in ids)
    assert (waits["state"], failed["state"]) == ("waiting", "failed")
    assert "ended 3 times while at it" in failed["error"]


def test_what_has_gone_on_for_long_is_no_ones_end(asking: Callable[..., TestClient]) -> None:
    client = asking()
    jobs, id = client.app.state.jobs, client.post("/api/v1/jobs", json=ASK).json()["id"]
    (slot,) = jobs.dispatch.slots
    slot.takes(jobs.store.set(id, state="running", losses=2))
    for seconds, losses in ((1.0, 2), (dispatch.STEADY_SECONDS + 1.0, 0)):
        jobs.live[id].begins(time.monotonic() - seconds)
        jobs.dispatch._look_at(slot)
        assert jobs.get(id).losses == losses


# --- pictures


@pytest.mark.usefixtures("idle")
def test_the_picture_of_several_jobs_is_written_once(
    asking: Callable[..., TestClient], tmp_path: Path
) -> None:
    asked = {"prompt": "x", "n_iter": 4, "init_images": [b64encode(picture()).decode()]}
    with asking(data=tmp_path / "here") as client:
        jobs, answer = answered(client, 4, "/sdapi/v1/img2img", json=asked)
    assert answer.status_code == 200
    files = [tmp_path / "here" / "jobs" / job["id"] / "in" / "image" for job in jobs]
    assert {file.read_bytes() for file in files} == {picture()}
    assert len({file.stat().st_ino for file in files}) == 1
    keeping.remove(files[0].parents[1])
    assert files[1].read_bytes() == picture()


# --- models that come and go


@pytest.mark.usefixtures("idle")
def test_a_model_that_was_chosen_and_deleted_is_not_asked_for_again(
    asking: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Every request was answered with a 404 until the server was started anew."""
    mine = tmp_path / "here" / "runs" / "mine"
    (mine / "model").mkdir(parents=True)
    drawing = {"json": {"prompt": "x"}}
    with asking(data=tmp_path / "here") as client:
        assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "mine"}).status_code == 200
        (job,), answer = answered(client, 1, "/sdapi/v1/txt2img", **drawing)
        assert (job["request"]["model"], HEADER in answer.headers) == ("mine", False)
        client.delete("/api/v1/models/mine")
        assert not mine.exists()
        assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "model"
        (job,), answer = answered(client, 1, "/sdapi/v1/txt2img", **drawing)
        assert (job["request"]["model"], answer.headers[HEADER]) == ("model", "sd_model_checkpoint")


def test_weights_are_hashed_once(trained: Path, tmp_path: Path) -> None:
    """Weights that change behind the back of their file's time are not read again; others are."""
    shutil.copytree(trained / "model", tmp_path / "model")
    models = {"mine": str(tmp_path / "model")}
    first = facts(models)["models"]["mine"]
    (weights,) = (tmp_path / "model").glob("[tu]*e[rt]/diffusion_pytorch_model.safetensors")
    about = weights.stat()
    with weights.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    os.utime(weights, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert facts(models)["models"]["mine"] == first
    weights.touch()
    again = facts(models)["models"]["mine"]
    assert again["hash"] != first["hash"]
    assert again["bytes"] == first["bytes"]


@pytest.mark.usefixtures("idle")
def test_what_a_training_goes_on_from_is_not_deleted(
    asking: Callable[..., TestClient], tmp_path: Path
) -> None:
    """Put off, it could never go on."""
    (tmp_path / "here" / "runs" / "mine" / "model").mkdir(parents=True)
    with asking(data=tmp_path / "here") as client:
        asked = {"kind": "train", "name": "next", "source": "emoji", "start": "mine", "minutes": 1}
        id = client.post("/api/v1/jobs", json=asked).json()["id"]
        refused = client.delete("/api/v1/models/mine")
        assert (refused.status_code, "training of next" in refused.json()["error"]) == (409, True)
        client.delete(f"/api/v1/jobs/{id}")
        assert client.delete("/api/v1/models/mine").status_code == 204


@pytest.mark.usefixtures("idle")
def test_a_name_is_deleted_and_deleted_again(tmp_path: Path) -> None:
    """What a first removal left, where files have no rights, say, was in the second one's way."""
    for number in range(2):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "file").write_text("x")
        aside = keeping._aside(tmp_path / "mine")
        assert aside.name.startswith(keeping.GONE)
        assert len(list(tmp_path.iterdir())) == number + 1


def test_another_queue_removes_no_pictures(asking: Callable[..., TestClient], tmp_path: Path) -> None:
    """A file that could not be read was moved away, as was said, and all pictures went with it."""
    for name in (f"{0:032x}/out", f"{1:032x}/in"):  # of a job of another queue; of one never accepted
        (tmp_path / "here" / "jobs" / name).mkdir(parents=True)
        (tmp_path / "here" / "jobs" / name / "picture.png").write_bytes(picture())
    asking(data=tmp_path / "here")
    assert [folder.name for folder in (tmp_path / "here" / "jobs").iterdir()] == [f"{0:032x}"]


def test_a_job_of_an_older_version_holds_nothing_up() -> None:
    """One row that lacked a field, and nothing was handed out any more."""
    assert shape("generate", {"prompt": "x", "count": 1}) is not None


# --- forms


@pytest.mark.parametrize(
    "fields",
    [
        {f"field{number}": "x" for number in range(FORM_LIMITS["max_fields"] + 1)},
        {"prompt": "x" * (FORM_LIMITS["max_part_size"] + 1)},
        {"into": "x" * (FORM_LIMITS["max_part_size"] + 1)},
    ],
    ids=["many", "long prompt", "long name"],
)
@pytest.mark.parametrize(
    ("address", "name"),
    [("/v1/images/edits", "image"), ("/v1/images/variations", "image"), ("/api/v1/folders", "files")],
)
def test_the_words_of_a_form_are_few(
    asking: Callable[..., TestClient], fields: dict[str, str], address: str, name: str
) -> None:
    """A thousand fields of a megabyte each were held in memory."""
    answer = asking().post(address, data=fields, files={name: ("a.png", picture(), "image/png")})
    assert answer.status_code == 400
    assert "maximum" in answer.text.lower()
