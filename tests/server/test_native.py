"""Our own API, asked over HTTP."""

import io
import json
from typing import Any

import httpx
from PIL import Image, ImageChops


def finished(server: str, id: str) -> dict[str, Any]:
    """The job, once it has ended."""
    with httpx.stream("GET", f"{server}/api/v1/jobs/{id}/events", timeout=60) as events:
        for _ in events.iter_lines():
            pass
    return httpx.get(f"{server}/api/v1/jobs/{id}").json()


def submitted(server: str, ask: dict[str, Any]) -> str:
    """The id of a job that was accepted."""
    answer = httpx.post(f"{server}/api/v1/jobs", json=ask)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def picture(server: str, job: dict[str, Any]) -> Image.Image:
    """The first that a job made."""
    answer = httpx.get(f"{server}/api/v1/jobs/{job['id']}/files/{job['files'][0]}")
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def test_a_drawing_is_accepted_told_of_and_kept(server: str) -> None:
    ask = {"kind": "generate", "prompt": "a red circle", "seed": 3, "count": 2}
    job = finished(server, submitted(server, ask))
    assert job["state"] == "done"
    assert job["files"] == ["a-red-circle-3-00.png", "a-red-circle-3-01.png", "grid.png"]
    picture = httpx.get(f"{server}/api/v1/jobs/{job['id']}/files/{job['files'][0]}")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


def test_who_asks_for_previews_sees_what_the_pictures_become(server: str) -> None:
    ask = {"kind": "generate", "prompt": "a blue ring", "count": 2, "preview": True}
    id = submitted(server, ask)
    with httpx.stream("GET", f"{server}/api/v1/jobs/{id}/events", timeout=60) as events:
        told = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    last = [event for event in told if event["event"] == "preview"][-1]
    assert last["step"] == last["steps"]
    assert [image[:23] for image in last["images"]] == ["data:image/webp;base64,"] * 2


def test_drawings_that_wait_together_are_what_they_are_alone(server: str) -> None:
    asks = [{"kind": "generate", "prompt": f"a {colour} bar", "seed": 5} for colour in ("red", "green")]
    ids = [submitted(server, ask) for ask in asks]
    together = [picture(server, finished(server, id)) for id in ids]
    alone = [picture(server, finished(server, submitted(server, ask))) for ask in asks]
    for one, other in zip(together, alone, strict=True):
        assert all(most <= 1 for _, most in ImageChops.difference(one, other).getextrema())
