"""What a model folder is, and copies of it in other types."""

import shutil
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from rhinoise.core.errors import (
    ConfigError,
    ModelFolderError,
    RhinoiseError,
    RunFolderError,
    UnknownNameError,
)
from rhinoise.core.files import read_json, write_json
from rhinoise.evaluation.levels import LevelLoss
from rhinoise.evaluation.metrics import psnr
from rhinoise.evaluation.scores import AutoencoderScore
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage.description import Description, describe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.convert import ConvertRequest, convert
from rhinoise.workflows.scoring.scores import Drawing, Scores


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
    assert RunFolder(trained).record()["source"] not in card  # where pictures lie is nobody's business
    assert found_in(card, describe(tmp_path / "copy"))


def found_in(card: str, model: Description) -> bool:
    return all(part.sha256 in card for part in model.parts)


@pytest.mark.parametrize(
    "index",
    [
        {},
        {"vae": "x", "unet": [None, None]},
        {"vae": [None, None]},
        {"scheduler": ["diffusers", "DDIMScheduler"], "unet": ["diffusers", "UNet2DModel"]},
    ],
    ids=str,
)
def test_a_folder_of_another_kind_is_told(trained: Path, tmp_path: Path, index: dict[str, Any]) -> None:
    shutil.copytree(trained / "model" / "scheduler", tmp_path / "scheduler")
    write_json(tmp_path / "model_index.json", index)
    with pytest.raises(ModelFolderError, match="has no vae: rhinoise draws with"):
        converted(model=tmp_path)


def test_scores_are_those_of_the_model_that_was_measured(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    shutil.copytree(run / "model", run / "few_steps")
    scores = Scores(
        model_hash=describe(run / "model").hash,
        data="shapes",
        pictures=2,
        held_out=True,
        autoencoder=AutoencoderScore(psnr=20.0, ssim=0.7, pictures=2),
        loss=1.0,
        levels=(LevelLoss(time=0.5, log_snr=0.0, answer=1.0, x0=1.0),),
        drawing=Drawing(sampler="ddim", steps=2, guidance=1.0, seed=0, pictures=2, seconds_each=0.1),
        features=None,
        clip=None,
        seconds=1.0,
    )
    write_json(run / "scores.json", asdict(scores))
    converted(model=run, out=tmp_path / "copy")
    assert "scores" in describe(tmp_path / "copy").facts
    assert "scores" not in describe(tmp_path / "copy" / "few_steps").facts


def test_a_run_whose_clock_was_never_written_down(trained: Path, tmp_path: Path) -> None:
    """A first stage that was refused for its few minutes has left a model: it was looked at before."""
    run = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    write_json(run.root / "plan.json", {name: n for name, n in run.plan().items() if name != "seconds"})
    converted(model=run.root, out=tmp_path / "copy")
    assert describe(tmp_path / "copy").facts["hours"] == 0


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
    [
        ("run", "is the model itself"),
        ("run/model", "is the model itself"),
        ("run/model/copy", "inside it"),
        ("run/copy", "inside it"),
        ("file", "is a file"),
    ],
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
