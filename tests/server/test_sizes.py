"""Our own API: a drawn picture in another size."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhinoise.storage.provenance import read_provenance


@pytest.fixture(scope="module")
def drawing(api: Any) -> dict[str, Any]:
    """A picture."""
    return api.ended(api.submit(kind="generate", prompt="a red ring", seed=3))


def test_a_picture_is_had_in_another_size_with_its_request(api: Any, drawing: dict[str, Any]) -> None:
    address = f"jobs/{drawing['id']}/files/{drawing['files'][0]}"
    own, other = (api.get(address, params=size).content for size in ({}, {"size": "40x32"}))
    with Image.open(BytesIO(own)) as drawn, Image.open(BytesIO(other)) as resampled:
        wanted = drawn.convert("RGB").resize((40, 32), Image.Resampling.LANCZOS)
        assert np.array_equal(np.asarray(wanted), np.asarray(resampled.convert("RGB")))
    assert read_provenance(other) == read_provenance(own)


@pytest.mark.parametrize(("size", "status"), [("0x4", 400), ("99999x99999", 400), ("a", 422)])
def test_a_size_that_is_none_is_refused(api: Any, drawing: dict[str, Any], size: str, status: int) -> None:
    answer = api.get(f"jobs/{drawing['id']}/files/{drawing['files'][0]}", params={"size": size})
    assert answer.status_code == status
    assert answer.json()["error"]


def test_only_what_was_drawn_is_resampled(api: Any) -> None:
    """A figure, resampled, would have said that a model drew it."""
    job = api.ended(api.submit(kind="levels", pictures=2))
    assert job["files"]
    for name in job["files"]:
        answer = api.get(f"jobs/{job['id']}/files/{name}", params={"size": "8x8"})
        assert answer.status_code == 400, name
