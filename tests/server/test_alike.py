"""One request through all three APIs: the same picture."""

import base64
import io
from collections.abc import Callable

import httpx
import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from rhinoise.server.settings import Limits

PROMPT, SEED = "a red circle", 7


def native(server: str) -> bytes:
    job = httpx.post(
        f"{server}/api/v1/jobs", json={"kind": "generate", "prompt": PROMPT, "seed": SEED}
    ).json()
    httpx.get(f"{server}/api/v1/jobs/{job['id']}/events", timeout=60)
    (name,) = httpx.get(f"{server}/api/v1/jobs/{job['id']}").json()["files"]
    return httpx.get(f"{server}/api/v1/jobs/{job['id']}/files/{name}").content


def openai(server: str) -> bytes:
    asked = {"prompt": PROMPT, "seed": SEED}
    answer = httpx.post(f"{server}/v1/images/generations", json=asked, timeout=60)
    return base64.b64decode(answer.json()["data"][0]["b64_json"])


def a1111(server: str) -> bytes:
    asked = {"prompt": PROMPT, "seed": SEED}
    answer = httpx.post(f"{server}/sdapi/v1/txt2img", json=asked, timeout=60)
    return base64.b64decode(answer.json()["images"][0])


def test_the_same_seed_gives_the_same_picture(server: str) -> None:
    first, second, third = (
        np.asarray(Image.open(io.BytesIO(ask(server))), dtype=np.int16) for ask in (native, openai, a1111)
    )
    assert np.abs(first - second).max() <= 1
    assert np.abs(first - third).max() <= 1


def test_the_guard_speaks_each_apis_language(asking: Callable[..., TestClient]) -> None:
    """Without its key a request is refused in the shape of its API; a key may be sent in two ways."""
    client = asking(api_key="secret")
    told = client.get("/v1/models")
    assert told.status_code == 401
    assert set(told.json()["error"]) == {"message", "type", "param", "code"}
    assert told.json()["error"]["code"] == "invalid_api_key"
    told = client.get("/sdapi/v1/sd-models")
    assert told.status_code == 401
    assert set(told.json()) == {"error", "detail", "body", "errors"}
    assert client.get("/v1/models", headers={"authorization": "Bearer secret"}).json()["data"]
    assert client.get("/sdapi/v1/sd-models", auth=("anyone", "secret")).json()


def test_a_full_queue_says_when_to_come_back(asking: Callable[..., TestClient]) -> None:
    client = asking(limits=Limits(queue=0))
    for path in ("/v1/images/generations", "/sdapi/v1/txt2img"):
        answer = client.post(path, json={"prompt": PROMPT})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0


def test_several_pictures_are_accepted_together_or_not_at_all(asking: Callable[..., TestClient]) -> None:
    """There is room for two of four: these are not drawn either."""
    client = asking(limits=Limits(queue=2))
    assert client.post("/sdapi/v1/txt2img", json={"prompt": PROMPT, "n_iter": 4}).status_code == 429
    assert client.get("/api/v1/jobs").json() == []
