"""Every address by its OpenAPI document; limits; what the server tells of itself; all without torch."""

import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from PIL import Image
from schemathesis.specs.openapi.checks import response_schema_conformance
from starlette.testclient import TestClient

from rhinoise.server.settings import Limits

ASK = {"kind": "generate", "prompt": "a secret garden"}
HOST = {"Host": "127.0.0.1"}
WAITING = ("/events", "/generations", "/edits", "/variations", "/txt2img", "/img2img")
"""Addresses that answer when a job has ended."""


def without_life(app: Any) -> Any:
    """The application as it is, without its beginning and end: no worker is started."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})

    return answer


def picture() -> bytes:
    written = BytesIO()
    Image.new("RGBA", (16, 16), (200, 30, 30, 0)).save(written, "PNG")
    return written.getvalue()


PICTURE = picture()
LIKELY = {
    "init_images": [b64encode(PICTURE).decode()],
    **dict.fromkeys(("width", "height"), 16),
    **dict.fromkeys(("steps", "batch_size", "n_iter"), 1),
    **dict.fromkeys(("mask", "sampler_name", "sampler_index", "scheduler", "override_settings")),
}
"""Of img2img, what would not be found by chance."""
schemathesis.openapi.format("binary", strategies.just(PICTURE) | strategies.binary(max_size=64))


def tried(operation: Any, examples: int, answered: Callable[[Any], Any]) -> None:
    """Ask what the document allows of one address: no answer is a fault, each is as the document says."""

    # The same requests at every run, so that what fails is of the change that is tested.
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(case=operation.as_strategy(), is_likely=strategies.booleans())
    def ask(case: Any, is_likely: bool) -> None:
        if is_likely and operation.path.endswith("/img2img"):
            case.body |= LIKELY
        answer = answered(case)
        assert answer.status_code < 500 or case.path == "/ready", (case, answer.text)
        case.validate_response(answer, checks=[response_schema_conformance])

    ask()


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
def test_no_request_that_the_document_allows_is_a_fault(asking: Callable[..., TestClient]) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", without_life(asking().app), headers=HOST)
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        if not operation.path.endswith(WAITING):
            tried(operation, 12, lambda case: case.call(headers=HOST))


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
def test_no_request_that_is_drawn_is_a_fault(
    serving: Callable[..., AbstractContextManager[str]], tmp_path: Path
) -> None:
    """Those that wait for their pictures: of a tiny model, two at most, of two steps."""
    statuses = set()
    with serving(tmp_path, limits=Limits(steps=2, count=2, pixels=1024)) as address:
        document = schemathesis.openapi.from_url(f"{address}/openapi.json")

        def answered(case: Any) -> Any:
            answer = case.call()
            statuses.add((case.path, answer.status_code))
            return answer

        for operation in [found.ok() for found in document.get_all_operations()]:
            if operation.path.endswith(WAITING):
                tried(operation, 25, answered)
    drawn = {path for path, status in statuses if status == 200}
    assert drawn >= {f"/v1/images/{what}" for what in ("generations", "edits", "variations")}, statuses
    assert drawn >= {f"/sdapi/v1/{what}" for what in ("txt2img", "img2img")}, statuses


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"kind": "generate", "prompt": "x", "guidance": NaN}', "guidance"),
        ('{"kind": "generate", "prompt": "x", "guidance_interval": [0, Infinity]}', "guidance_interval"),
        ('{"kind": "generate", "prompt": "\\ud800"}', "prompt"),
        ('{"kind": "generate"}', "prompt"),
        ('{"kind": "paint"}', "kind"),
        ("[" * 10_000, "parsing"),
        ("", "required"),
    ],
)
def test_what_json_does_not_know_is_refused_in_a_sentence(
    asking: Callable[..., TestClient], body: str, told: str
) -> None:
    answer = asking().post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert told in answer.json()["error"]


@pytest.mark.parametrize(
    ("ask", "status", "told"),
    [
        (ASK | {"steps": 11}, 400, "steps is at most 10 on this server, not 11"),
        (ASK | {"count": 3}, 400, "count is at most 2 on this server, not 3"),
        ({"kind": "inspect", "source": "emoji", "size": 64}, 400, "more than the 1,024 pixels"),
        (ASK | {"model": "modle"}, 404, "did you mean 'model'"),
        ({"kind": "train", "name": "model", "source": "emoji"}, 400, "called model already"),
        ({"kind": "train", "name": "x", "source": "/etc"}, 404, "unknown pictures '/etc'"),
    ],
)
def test_what_is_more_than_the_server_takes_on_is_refused(
    asking: Callable[..., TestClient], ask: dict[str, Any], status: int, told: str
) -> None:
    answer = asking(limits=Limits(steps=10, count=2, pixels=1024)).post("/api/v1/jobs", json=ask)
    assert answer.status_code == status
    assert told in answer.json()["error"]


def test_a_full_queue_asks_for_patience(asking: Callable[..., TestClient]) -> None:
    client = asking(limits=Limits(queue=2))
    first, second, third = (client.post("/api/v1/jobs", json=ASK) for _ in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (202, 202, 429)
    assert int(third.headers["Retry-After"]) > 0
    client.delete(f"/api/v1/jobs/{first.json()['id']}")
    assert client.post("/api/v1/jobs", json=ASK).status_code == 202


def test_metrics_count_jobs(asking: Callable[..., TestClient]) -> None:
    client = asking()
    first = client.post("/api/v1/jobs", json=ASK).json()["id"]
    client.post("/api/v1/jobs", json=ASK)
    client.delete(f"/api/v1/jobs/{first}")
    lines = client.get("/metrics").text.splitlines()
    assert 'rhinoise_jobs{kind="generate",state="waiting"} 1.0' in lines
    assert 'rhinoise_jobs_ended_total{kind="generate",state="cancelled"} 1.0' in lines
    assert "rhinoise_queue_length 1.0" in lines
    assert "rhinoise_worker_up 0.0" in lines


@pytest.mark.parametrize("log_prompts", [False, True])
def test_the_log_tells_prompts_only_where_that_is_wanted(
    asking: Callable[..., TestClient], log_prompts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="rhinoise")
    client = asking(log_prompts=log_prompts)
    job = client.post("/api/v1/jobs", json=ASK).json()["id"]
    client.post("/api/v1/jobs", json=ASK | {"steps": 1000})
    told = [vars(record) for record in caplog.records]
    assert [record["state"] for record in told if record.get("job") == job] == ["waiting"]
    assert ("secret" in repr(told)) == log_prompts


def test_a_model_is_taken_away_as_a_zip(asking: Callable[..., TestClient], trained: Path) -> None:
    answer = asking(models=(str(trained),)).get("/api/v1/models/shapes/export")
    archive = zipfile.ZipFile(BytesIO(answer.content))
    assert archive.testzip() is None
    for name in archive.namelist():
        path = trained / "model" / Path(name).relative_to("shapes")
        assert archive.read(name) == path.read_bytes()
    assert "shapes/model_index.json" in archive.namelist()


@pytest.mark.parametrize(("name", "status"), [("model", 400), ("nothing", 404), ("..", 404)])
def test_models_from_elsewhere_are_not_deleted(
    asking: Callable[..., TestClient], tmp_path: Path, name: str, status: int
) -> None:
    assert asking().delete(f"/api/v1/models/{name}").status_code == status
    assert (tmp_path / "model").is_dir()


def test_the_server_knows_no_torch() -> None:
    code = "import rhinoise.server.serve, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "matplotlib"} & set(done.stdout.split())
