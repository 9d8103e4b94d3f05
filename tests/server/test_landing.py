"""Our own API: where pictures land in an atlas."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def drawing(api: Any) -> dict[str, Any]:
    """Two pictures."""
    return api.ended(api.submit(kind="generate", prompt="a red ring", seed=3, count=2))


@pytest.fixture(scope="module")
def atlas(api: Any) -> str:
    """The name of an atlas's page."""
    return f"job:{api.ended(api.submit(kind='atlas', pictures=20, features=8))['id']}/atlas.html"


def test_pictures_land_in_an_atlas(api: Any, drawing: dict[str, Any], atlas: str, shapes: Path) -> None:
    """Drawn ones, and one that was sent: that one is of the atlas, and lies on its own point."""
    sent = api.post("uploads", files={"file": (shapes / "red-ring.png").read_bytes()}).json()["name"]
    drawn = [f"job:{drawing['id']}/{name}" for name in drawing["files"] if name != "grid.png"]
    job = api.ended(api.submit(kind="landing", atlas=atlas, landed=[*drawn, sent]))
    assert job["state"] == "done", job["error"]
    *ours, own = job["result"]["landed"]
    assert [one["caption"] for one in ours] == ["a red ring"] * 2
    assert all(len(one["point"]) == 3 and len(one["near"]) == len(one["captions"]) == 5 for one in ours)
    assert own["captions"][0] == "a red ring"
    assert own["apart"][0] < 1e-3 < own["apart"][1]


def test_what_cannot_land_is_a_sentence(api: Any, drawing: dict[str, Any], atlas: str) -> None:
    picture = f"job:{drawing['id']}/{drawing['files'][0]}"
    nothing = f"job:{drawing['id']}/none.png"
    answer = api.post("jobs", json={"kind": "landing", "atlas": atlas, "landed": [picture, nothing]})
    assert (answer.status_code, answer.json()["error"]) == (400, f"there is no file {nothing}")
    torn = BytesIO()
    Image.new("RGB", (64, 64)).save(torn, "PNG")
    sent = api.post("uploads", files={"file": torn.getvalue()[:-40]}).json()["name"]
    job = api.ended(api.submit(kind="landing", atlas=atlas, landed=[sent]))
    assert job["state"] == "failed"
    assert "/" not in job["error"], "it tells a place on this disk"
