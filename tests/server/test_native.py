"""Our own API, asked over HTTP."""

from typing import Any

import httpx


def finished(server: str, id: str) -> dict[str, Any]:
    """The job, once it has ended."""
    with httpx.stream("GET", f"{server}/api/v1/jobs/{id}/events", timeout=60) as events:
        for _ in events.iter_lines():
            pass
    return httpx.get(f"{server}/api/v1/jobs/{id}").json()


def test_a_drawing_is_accepted_told_of_and_kept(server: str) -> None:
    ask = {"kind": "generate", "prompt": "a red circle", "seed": 3, "count": 2}
    answer = httpx.post(f"{server}/api/v1/jobs", json=ask)
    assert answer.status_code == 202, answer.text
    job = finished(server, answer.json()["id"])
    assert job["state"] == "done"
    assert job["files"] == ["a-red-circle-3-00.png", "a-red-circle-3-01.png", "grid.png"]
    picture = httpx.get(f"{server}/api/v1/jobs/{job['id']}/files/{job['files'][0]}")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
