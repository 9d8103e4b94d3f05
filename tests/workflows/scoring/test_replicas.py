"""Drawn pictures are looked for among the training pictures, and what is found is told and kept."""

import json
import shutil
from collections.abc import Callable, Generator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhinoise.evaluation.memorisation import LEAST
from rhinoise.evaluation.spaces import open_space
from rhinoise.recipes import Recipe
from rhinoise.storage.provenance import read_provenance
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.pictures import read_pictures
from rhinoise.workflows.scoring import replicas as module
from rhinoise.workflows.scoring.replicas import distinct

OFTEN, TIMES, SELDOM = 3, 20, 30
WORDS = ("red", "green", "blue", "grey", "wide", "tall", "old", "new")
THINGS = ("cat", "dog", "car", "cup", "hat", "key", "tree", "ship")


def told(events: Generator[Event, None, Any]) -> tuple[list[str], Any]:
    said = []
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return said, end.value
        if isinstance(event, Said):
            said.append(event.text)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soft blots, no two alike: three of them twenty times, and 30 once."""
    folder = tmp_path_factory.mktemp("repeated")
    rng = np.random.default_rng(0)
    names = [" ".join(words) for words in product(WORDS, WORDS, THINGS)]
    for number in range(OFTEN + SELDOM):
        coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8))
        image = coarse.resize((16, 16), Image.Resampling.BICUBIC)
        for copy in range(TIMES if number < OFTEN else 1):
            image.save(folder / f"{number:03}-{copy:02}.png")
            (folder / f"{number:03}-{copy:02}.txt").write_text(names[number])
    return folder


@pytest.fixture
def thrifty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that are at hand everywhere."""
    monkeypatch.setattr(module, "open_space", lambda: open_space("random_conv"))


def test_a_check_is_told_written_and_drawn(
    cli: Callable, trained: Path, tmp_path: Path, thrifty: None
) -> None:
    words = ("a red circle", "a blue ring", "--model", trained, "--check", "--out", tmp_path)
    result = cli("generate", *words)
    assert result.exit_code == 0, result.stderr
    assert f"not calibrated, as only 2 pictures are held out: it takes {2 * LEAST}" in result.stderr
    numbers = json.loads((tmp_path / "check.json").read_text())
    assert list(numbers["pictures"]) == ["a-red-circle-0-00.png", "a-blue-ring-0-00.png"]
    for name, found in numbers["pictures"].items():
        check = read_provenance(tmp_path / name).check
        assert check == {key: found[key] for key in ("label", "ratio", "nearest")}
        assert found["label"] == "not calibrated"
        assert set(found["nearest"]) == {"pixels", "latents", "features"}
        assert all(near["name"].endswith(".png") for near in found["nearest"].values())
        assert f"{name}: not calibrated, ratio {found['ratio']:.2f}, nearest to" in result.stderr
    assert Image.open(tmp_path / "check.png").convert("L").width > 500
    assert read_provenance(tmp_path / "grid.png").check is None
    again = cli("generate", *words)  # its own files may be written again
    assert again.exit_code == 0, again.stderr


def test_the_check_of_one_picture_lies_beside_it(
    cli: Callable, trained: Path, tmp_path: Path, thrifty: None
) -> None:
    result = cli("generate", "a red bar", "--model", trained, "--check", "--out", tmp_path / "bar.png")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.name for path in tmp_path.glob("bar*")) == [
        "bar-check.json",
        "bar-check.png",
        "bar.png",
    ]


def test_without_its_training_pictures_a_model_is_not_checked(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path, thrifty: None
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    record = json.loads((run / "recipe.json").read_text())
    (run / "recipe.json").write_text(json.dumps(record | {"source": str(tmp_path / "gone")}))
    words = ("generate", "a red bar", "--model", run, "--out", tmp_path / "out")
    for result in (cli(*words, "--check"), cli(*words, "--data", shapes)):
        assert result.exit_code == 2
        assert len(result.stderr.strip().splitlines()[-1]) < 400
        assert "--data" in result.stderr
        assert not (tmp_path / "out").exists()
    assert cli(*words, "--check", "--data", shapes).exit_code == 0


def test_other_pictures_than_it_was_trained_on_are_told(
    cli: Callable, trained: Path, pictures: Path, tmp_path: Path, thrifty: None
) -> None:
    words = ("generate", "a red bar", "--model", trained, "--check", "--data", pictures)
    result = cli(*words, "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "not the very pictures and captions" in result.stderr


def test_of_copies_the_first_is_compared_with(repeated: Path, lean: Recipe, tmp_path: Path) -> None:
    _, pictures = told(read_pictures(str(repeated), lean))
    examples = pictures.prepared.dataset.examples
    train, held_out = (distinct(pictures, rows) for rows in (pictures.train, pictures.held_out))
    assert all(examples[row].name.endswith("-00.png") for row in (*train, *held_out))
    assert len(train) + len(held_out) == OFTEN + SELDOM < len(examples)


def test_an_evaluation_tells_the_rates_of_each_kind_of_prompt(
    cli: Callable, trained: Path, tmp_path: Path
) -> None:
    result = cli("evaluate", trained, "--features", "random_conv", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    found = json.loads((tmp_path / "scores.json").read_text())["replicas"]
    assert found["training_pictures"] == 22
    assert {name: one["pictures"] for name, one in found["rates"].items()} == {
        "training captions": 11,
        "held-out captions": 2,
    }
    assert found["calibration"]["thresholds"] == {}
    assert "replicas of 22 training pictures" in result.stdout
    assert f"{found['rates']['training captions']['score']:.2f}" in result.stdout
