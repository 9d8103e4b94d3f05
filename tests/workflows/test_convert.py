"""What a model folder is, and copies of it in other types."""

import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch

from rhinoise.core.errors import ConfigError, RhinoiseError, RunFolderError, UnknownNameError
from rhinoise.core.files import read_json, write_json
from rhinoise.evaluation.metrics import psnr
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.description import Description, describe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.convert import ConvertRequest, convert


def result(work: Generator[Any, None, Description]) -> Description:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def converted(**asked: Any) -> Description:
    return result(convert(ConvertRequest(**asked)))


def drawn(folder: Path) -> torch.Tensor:
    return LatentDiffusion.load(folder, precision="fp32").generate(
        GenerateRequest(prompt="a red ring", count=2)
    )


def test_a_folder_is_described_without_a_part_being_made(trained: Path) -> None:
    found = converted(model=trained)
    model = LatentDiffusion.load(trained)
    parts = {part.what: part for part in found.parts}
    for what, module in {
        "autoencoder": model.autoencoder,
        "text encoder": model.parts.text_encoder,
        "network": model.parts.network,
    }.items():
        assert parts[what].numbers == sum(weight.numel() for weight in module.state_dict().values())
        assert parts[what].weights == "fp32"
    assert found.hash == model.facts["hash"]
    assert found.opened_by == "rhinoise alone: diffusers has no PatchAutoencoder and no UViT"
    assert found.unknown == [model.facts["data"]["name"]]
    assert found.licence is None
    assert dict(found.rows())["trained on"].startswith(f"{found.unknown[0]}, ")


def test_a_copy_in_half_the_bytes_draws_nearly_the_same(trained: Path, tmp_path: Path) -> None:
    found = converted(model=trained, out=tmp_path / "small", weights="bf16")
    assert all(part.weights == "bf16" for part in found.parts)
    before = describe(trained / "model")
    assert sum(part.bytes for part in found.parts) < 0.7 * sum(part.bytes for part in before.parts)
    assert psnr(drawn(tmp_path / "small"), drawn(trained)).min() > 35
    assert (tmp_path / "small" / "README.md").is_file()
    # A copy of the copy, in the type that it has, is the same.
    assert converted(model=tmp_path / "small", out=tmp_path / "again").hash == found.hash
    assert torch.equal(drawn(tmp_path / "again"), drawn(tmp_path / "small"))


def test_a_run_gives_its_hours_steps_and_command(trained: Path, tmp_path: Path) -> None:
    converted(model=trained, out=tmp_path / "copy")
    facts, plan = describe(tmp_path / "copy").facts, RunFolder(trained).plan()
    assert facts["steps"] == {stage: plan[f"{stage} steps"] for stage in ("autoencoder", "text", "denoiser")}
    assert facts["hours"] == round(plan["seconds"] / 3600, 2)
    card = (tmp_path / "copy" / "README.md").read_text()
    assert facts["command"] in card
    assert found_in(card, describe(tmp_path / "copy"))


def found_in(card: str, model: Description) -> bool:
    return all(part.sha256 in card for part in model.parts)


def test_an_own_folder_is_replaced_and_nothing_else(trained: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    converted(model=trained, out=place)
    converted(model=trained, out=place, weights="bf16")
    assert {part.weights for part in describe(place).parts} == {"bf16"}
    (place / "mine.txt").write_text("notes")
    with pytest.raises(RunFolderError, match=r"mine\.txt"):
        converted(model=trained, out=place)
    assert (place / "mine.txt").read_text() == "notes"
    (tmp_path / "other").mkdir()
    converted(model=trained, out=tmp_path / "other")


@pytest.mark.parametrize(
    ("out", "error"),
    [("run", "is the model itself"), ("run/model", "is the model itself"), ("file", "is a file")],
)
def test_it_is_never_written_over_the_model_or_a_file(
    trained: Path, tmp_path: Path, out: str, error: str
) -> None:
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(RunFolderError, match=error):
        converted(model=tmp_path / "run", out=tmp_path / out)
    assert describe(tmp_path / "run" / "model").hash == describe(trained / "model").hash


def test_a_model_for_few_steps_goes_along(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    shutil.copytree(run / "model", run / "few_steps")
    converted(model=run, out=tmp_path / "copy", weights="bf16")
    assert {part.weights for part in describe(tmp_path / "copy" / "few_steps").parts} == {"bf16"}
    converted(model=run, out=tmp_path / "copy")  # both are its own to replace
    assert {part.weights for part in describe(tmp_path / "copy" / "few_steps").parts} == {"fp32"}
    # Copied further, from a folder that is no run.
    converted(model=tmp_path / "copy", out=tmp_path / "further")
    assert describe(tmp_path / "further" / "few_steps").hash == describe(run / "few_steps").hash


def test_licences_of_the_model_it_started_from_are_kept(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained / "model", tmp_path / "model"))
    about = read_json(folder / "rhinoise.json")
    licence = {"work": "W", "holder": "H", "name": "CC-BY-SA-4.0", "url": "https://example.org"}
    data = {"name": "emoji", "licences": [licence], "model_licence": "CC-BY-SA-4.0"}
    about["facts"]["started_from"] = {"recipe": "lean", "hash": "0123456789abcdef", "data": data}
    write_json(folder / "rhinoise.json", about)
    found = converted(model=folder, out=tmp_path / "copy")
    assert (found.licence, found.licences) == ("CC-BY-SA-4.0", [licence])
    assert found.unknown == [about["facts"]["data"]["name"]]
    card = (tmp_path / "copy" / "README.md").read_text()
    assert card.startswith("---\n")
    assert "license: cc-by-sa-4.0\n" in card
    assert "- W, by H, CC-BY-SA-4.0 (https://example.org)" in card


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"weights": "bf16"}, ConfigError, "--out FOLDER"),
        ({"weights": "fp8", "out": "copy"}, UnknownNameError, "fp32, bf16"),
    ],
)
def test_wrong_words_are_told(
    trained: Path, tmp_path: Path, asked: dict[str, Any], error: type[RhinoiseError], told: str
) -> None:
    if "out" in asked:
        asked = asked | {"out": tmp_path / asked["out"]}
    with pytest.raises(error, match=told):
        converted(model=trained, **asked)
    assert not (tmp_path / "copy").exists()
