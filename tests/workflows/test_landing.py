"""Where pictures land in an atlas: a picture of the atlas on its own point, and what is refused."""

import base64
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rhinoise.core.errors import ConfigError, PictureError
from rhinoise.explain.measure.atlas import axes_of, inner_products, pca
from rhinoise.workflows.atlas import AtlasRequest, atlas
from rhinoise.workflows.atlases.ground import Ground, beside
from rhinoise.workflows.events import Event
from rhinoise.workflows.landing import LandingRequest, landing


def drained(work: Generator[Event, None, Any]) -> Any:
    """What it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the atlas's latents are kept."""
    return tmp_path_factory.mktemp("landing-cache")


@pytest.fixture(autouse=True)
def same_cache(cache: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for all tests here: what lands looks the atlas's latents up."""
    monkeypatch.setenv("RHINOISE_CACHE", str(cache))


@pytest.fixture(scope="module")
def page(trained: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of all the pictures that the tiny model learnt from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHINOISE_CACHE", str(cache))
        out = tmp_path_factory.mktemp("landing") / "atlas.html"
        drained(atlas(AtlasRequest(run=trained, out=out, features=8)))
    return out


def data_of(page: Path) -> dict[str, Any]:
    """What the page knows."""
    text = page.read_text()
    start = text.index(">", text.index('id="data"')) + 1
    return json.loads(text[start : text.index("</script>", start)])


def drawn_points(page: Path) -> np.ndarray:
    """Where the page draws the pictures of its first cloud, in its latents' units."""
    cloud = data_of(page)["clouds"][0]
    points = np.frombuffer(base64.b64decode(cloud["points"]), np.float32).reshape(-1, 3)
    return points * cloud["radius"] + np.array(cloud["centre"])


def test_the_axes_of_a_pca_lay_its_own_vectors_where_it_did() -> None:
    vectors = torch.randn(40, 12, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 13)
    points = pca(inner_products(vectors)).points
    axes = axes_of(vectors, points)
    torch.testing.assert_close(axes.points(vectors), points, rtol=1e-3, atol=1e-3 * float(points.abs().max()))
    torch.testing.assert_close(axes.directions @ axes.directions.T, torch.eye(3), rtol=0, atol=1e-3)


def test_a_picture_of_the_atlas_lands_on_its_own_point(page: Path, trained: Path, shapes: Path) -> None:
    captions, points = Ground.of(page).captions, drawn_points(page)
    files = [shapes / f"{caption.removeprefix('a ').replace(' ', '-')}.png" for caption in captions]
    found = drained(landing(LandingRequest(pictures=tuple(files), atlas=page, model=trained)))
    far = np.abs(np.array([one.point for one in found]) - points).max()
    assert far < 1e-3 * np.abs(points).max()
    for row, one in enumerate(found):
        assert one.near[0] == row
        assert one.captions[0] == captions[row]
        assert one.apart[0] < 1e-3 < one.apart[1]


def test_pictures_are_shown_in_the_page_where_they_land(trained: Path, shapes: Path, tmp_path: Path) -> None:
    picture, out = shapes / "red-ring.png", tmp_path / "a.html"
    drained(atlas(AtlasRequest(run=trained, out=out, features=8, landed=(picture,))))
    (mark,) = data_of(out)["landed"]
    assert mark["caption"] == "red-ring"
    assert mark["picture"].startswith("data:image/webp")
    np.testing.assert_allclose(mark["point"], drawn_points(out)[mark["near"][0]], atol=1e-2)


def test_what_is_wrong_is_a_sentence(
    page: Path, trained: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = (shapes / "red-ring.png",)

    def said(error: type[Exception], what: str, **changed: Any) -> None:
        request = {"pictures": pictures, "atlas": page, "model": trained} | changed
        with pytest.raises(error, match=what):
            drained(landing(LandingRequest(**request)))

    said(ConfigError, "no atlas b.html of which the axes were kept", atlas=tmp_path / "b.html")
    said(PictureError, "there is no picture", pictures=(tmp_path / "c.png",))
    (tmp_path / "u.json").write_text('{"method": "umap"}')
    said(ConfigError, "UMAP has no axes", atlas=tmp_path / "u.html")
    with pytest.raises(ConfigError, match="UMAP has no axes"):
        AtlasRequest(run=trained, method="umap", landed=pictures)
    said(ConfigError, "of another model", model="bundled")
    (tmp_path / "b.safetensors").write_bytes(beside(page).read_bytes())
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path))
    said(ConfigError, "kept no longer", atlas=tmp_path / "b.html")
