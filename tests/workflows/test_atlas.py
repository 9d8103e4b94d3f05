"""The atlas of a tiny run: its numbers, its page, and what it refuses."""

import json
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rhinoise.core.errors import ConfigError, ModelFolderError, RhinoiseError, UnknownNameError
from rhinoise.explain.measure.survey import CONCEPT
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.atlas import Atlas, AtlasRequest, atlas
from rhinoise.workflows.atlases.pictures import known_latents, spherical
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.pictures import read_pictures
from rhinoise.workflows.scoring.trained import EvaluateRequest, open_trained
from rhinoise.workflows.stages.moments import before_training, keep_moment, kept_moments

COLOURS = ("red", "green", "blue", "orange")
SHAPES = ("circle", "square", "triangle", "ring", "bar", "slash")


def made(request: AtlasRequest) -> tuple[list, Atlas]:
    """What the workflow tells, and returns."""
    return drained(atlas(request))


def drained(work: Generator[Event, None, Any]) -> tuple[list, Any]:
    """All that is told, and what is returned."""
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            return told, end.value


def test_the_page_and_its_numbers(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "atlas.html"
    told, found = made(AtlasRequest(run=trained, out=out, words=("red", "circle"), features=12))
    assert {event.path.name for event in told if isinstance(event, Wrote)} == {
        "atlas.html",
        "atlas.json",
        "atlas.safetensors",
        "atlas-moments.png",
    }
    numbers = json.loads(out.with_suffix(".json").read_text())
    assert numbers["bytes"] == out.stat().st_size
    assert numbers["pictures"] == found.pictures == found.of
    assert [one["space"] for one in numbers["surveys"][:2]] == ["pixels", "latents"]
    assert len(found.surveys) == 2 + 2 * 3  # three depths at two noise levels
    assert all(one.pictures == 12 and CONCEPT in one.purity for one in found.surveys)
    assert 0 < sum(found.kept) <= 1
    assert found.moments[0]["step"] == 0
    assert len(found.moments) > 2
    page = out.read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    shown = [f"a {colour} {shape}" for colour in COLOURS for shape in SHAPES]
    assert sum(f'"{caption}"' in page for caption in shown) == found.pictures


def test_latents_of_the_training_are_used_and_others_made_and_kept(
    trained: Path, shapes: Path, own_cache: Path, tmp_path: Path
) -> None:
    """The run's cache is elsewhere here, so that the atlas has to encode, says so, and does so once."""
    request = AtlasRequest(run=trained, out=tmp_path / "a.html", features=8)

    def encodes() -> bool:
        return any("encoding" in event.text for event in made(request)[0] if isinstance(event, Said))

    assert encodes()
    assert not encodes()


def test_a_large_set_is_sampled_evenly_and_that_is_said(trained: Path, tmp_path: Path) -> None:
    told, found = made(AtlasRequest(run=trained, out=tmp_path / "a.html", pictures=10, features=8))
    assert found.pictures == 10
    assert any("showing 10 of" in event.text for event in told if isinstance(event, Said))


def test_the_beginning_is_shown_once_whether_it_was_kept_or_not(trained: Path, tmp_path: Path) -> None:
    """A training with a budget in minutes keeps a look at step 0, which planning it takes."""
    out = tmp_path / "a.html"
    remade = made(AtlasRequest(run=trained, out=out, features=8))[1].moments
    run = RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))
    opened = open_trained(EvaluateRequest(run=trained))
    (moment, *_) = kept_moments(run)
    pictures = drained(read_pictures(opened.source, opened.recipe))[1]
    latents = drained(known_latents(opened.model, pictures, np.arange(len(pictures.prepared)), None))[1]
    first = before_training(opened.model, opened.recipe)
    keep_moment(run, first, latents.numpy(), pictures.train, 0)
    assert moment.step > 0
    assert kept_moments(run)[0].step == 0
    kept = made(AtlasRequest(run=run.root, out=out, features=8))[1].moments
    assert [one["step"] for one in kept] == [one["step"] for one in remade]
    assert kept[1:] == remade[1:]


def same(folder: Path) -> None:
    for number in range(6):
        Image.new("RGB", (20, 20), "red").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("red")


def single(folder: Path) -> None:
    Image.new("RGB", (20, 20), "red").save(folder / "1.png")
    (folder / "1.txt").write_text("red")


@pytest.mark.parametrize(
    ("fill", "said"),
    [(same, "all 6 pictures are the same to the model"), (single, "4 pictures at least, and .* has 1")],
)
def test_too_few_or_equal_pictures(
    fill: Callable[[Path], None], said: str, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    fill(folder)
    with pytest.raises(RhinoiseError, match=said):
        made(AtlasRequest(run=trained, data=str(folder), out=tmp_path / "a.html"))
    assert not (tmp_path / "a.html").exists()


def test_pictures_that_are_skipped_are_not_said_to_be_listed_where_nothing_is(
    trained: Path, shapes: Path, tmp_path: Path
) -> None:
    """Only a training lists them; an atlas of the bundled model named a file in the package itself."""
    folder = Path(shutil.copytree(shapes, tmp_path / "pictures"))
    (folder / "torn.png").write_bytes(b"no picture")
    (folder / "torn.txt").write_text("a torn picture")
    told, _ = made(AtlasRequest(run=trained, data=str(folder), out=tmp_path / "a.html", features=8))
    (said,) = (event.text for event in told if isinstance(event, Said) and "held out" in event.text)
    assert "1 skipped: `rhinoise inspect` says why" in said


WRONG: dict[str, tuple[dict[str, object], type[RhinoiseError], str]] = {
    "no such run": ({"run": "nowhere"}, ModelFolderError, "there is no model folder nowhere"),
    "a word that no caption holds": (
        {"words": ("red", "elephant")},
        UnknownNameError,
        "unknown caption word",
    ),
    "one word": ({"words": ("red",)}, ConfigError, "nothing to be compared with"),
    "another method": ({"method": "pac"}, UnknownNameError, "did you mean 'pca'"),
    "too many points": ({"pictures": 200_000}, ConfigError, "from 4 to 20000, not 200000"),
    "a picture as page": ({"out": Path("a.png")}, ConfigError, "--out a.html, not a.png"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_a_sentence(what: str, trained: Path, tmp_path: Path) -> None:
    settings, error, said = WRONG[what]
    with pytest.raises(error, match=said):
        made(AtlasRequest(**({"run": trained, "out": tmp_path / "a.html"} | settings)))


def test_the_spherical_way_keeps_the_length_and_meets_its_ends() -> None:
    a = torch.randn(3, 4, 2, 2)
    b = torch.randn(3, 4, 2, 2)
    b = b * (a.flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1))[:, None, None, None]
    torch.testing.assert_close(spherical(a, b, 0.0), a)
    torch.testing.assert_close(spherical(a, b, 1.0), b)
    torch.testing.assert_close(spherical(a, b, 0.3).flatten(1).norm(dim=1), a.flatten(1).norm(dim=1))
