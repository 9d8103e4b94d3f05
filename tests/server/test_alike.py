"""One request through all three APIs: the same picture."""

import base64
import io

import httpx
import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/models", {"error": {"message", "type", "param", "code"}}),
        ("/sdapi/v1/options", {"error", "detail", "body", "errors"}),
    ],
)
def test_the_guard_speaks_each_apis_language(server: str, path: str, shape: object) -> None:
    """A post from another site's page is refused in the shape that the API's clients read."""
    answer = httpx.post(f"{server}{path}", headers={"origin": "http://elsewhere.example"}, json={})
    assert answer.status_code == 403
    told = answer.json()
    assert shape == ({"error": set(told["error"])} if isinstance(shape, dict) else set(told))
