"""The model of the package: found by its name, and what it must be where it is."""

from pathlib import Path

import pytest

from rhinoise.core.errors import ModelFolderError
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage import bundled
from rhinoise.storage.bundled import BUNDLED, asked_for_as, model_folder
from rhinoise.storage.description import describe
from rhinoise.workflows.start import continued, open_start

MOST_BYTES = 60e6


def installed() -> bool:
    try:
        return model_folder(BUNDLED).is_dir()
    except ModelFolderError:
        return False


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_folder(tmp_path) == tmp_path
    assert model_folder("runs/mine") == Path("runs/mine")
    assert model_folder("./bundled") == model_folder(Path("bundled")) == Path("bundled")


def test_an_installation_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled.resources, "files", lambda package: tmp_path)
    with pytest.raises(ModelFolderError, match="without its bundled model: train one with rhinoise train"):
        LatentDiffusion.load(BUNDLED)


@pytest.mark.skipif(not installed(), reason="this tree has no bundled model")
class TestInstalled:
    def test_it_is_small_licensed_and_told_of(self) -> None:
        folder = model_folder(BUNDLED)
        assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) <= MOST_BYTES
        found = describe(folder)
        assert {part.weights for part in found.parts} == {"bf16"}
        assert found.licence == "CC-BY-SA-4.0"
        assert found.unknown == []
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert all(licence["url"] in card for licence in found.licences)
        assert found.facts["command"] in card

    def test_it_draws(self) -> None:
        model = LatentDiffusion.load(BUNDLED)
        images = model.generate(GenerateRequest(prompt="a purple rhinoceros, twemoji style", steps=2))
        assert images.shape == (1, 3, model.size, model.size)
        assert images.std() > 0.05

    def test_trainings_may_start_from_it(self) -> None:
        recipe = continued(open_start(BUNDLED))
        assert recipe.size == 128


def test_the_bundled_model_is_asked_for_by_its_name() -> None:
    """The lab book's commands named the folder that Python's packages lie in."""
    assert asked_for_as(model_folder(BUNDLED)) == BUNDLED
    assert asked_for_as(Path("runs/mine")) == str(Path("runs/mine"))
