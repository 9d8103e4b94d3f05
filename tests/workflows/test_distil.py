"""A trained model brought down to a few steps, and drawing in them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rhinoise.core.config import from_json, to_json
from rhinoise.core.errors import PlanError, RunFolderError
from rhinoise.core.files import read_json, write_json
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest, SamplingConfig
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training.distillation import FIT, DistillationConfig
from rhinoise.workflows.distil import DistilRequest, distil
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.train import TrainRequest, train

SMALL = DistillationConfig(
    steps=2, minutes=None, images=128, epochs=1.0, fit=replace(FIT, batch=16, checkpoint_seconds=1e9)
)


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    """A run of its own, whose model draws in four steps."""
    copied = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    model = LatentDiffusion.load(copied.root)
    sampling = SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=4, guidance=2.0)
    replace(model, sampling=sampling).save(copied.model)
    return copied


def distilled(run: RunFolder, config: DistillationConfig = SMALL) -> list[Event]:
    return list(distil(DistilRequest(run=run.root, config=config)))


def steps(run: RunFolder) -> list[int]:
    return [entry["step"] for entry in run.entries() if entry["stage"] == "few_steps"]


def drawn(model: LatentDiffusion) -> torch.Tensor:
    return model.generate(GenerateRequest(prompt="a red ring", count=2))


def test_a_second_model_that_draws_in_few_steps_without_guidance(run: RunFolder) -> None:
    teacher = LatentDiffusion.load(run.root)
    before = drawn(teacher)
    events = distilled(run)

    assert steps(run) == list(range(1, 9))
    bars = [event for event in events if isinstance(event, Progress)]
    assert [bar.done for bar in bars if bar.stage == "answers"] == list(range(1, 2 * 2 + 1))
    assert {bar.total for bar in bars if bar.stage == "answers"} == {2 * 2}
    assert all(event.path.exists() for event in events if isinstance(event, Wrote))
    assert any("dB" in event.text for event in events if isinstance(event, Said))
    assert not run.state("few_steps").exists()

    assert torch.equal(drawn(LatentDiffusion.load(run.root)), before)
    student = LatentDiffusion.load(run.few_steps)
    assert student.sampling == SamplingConfig(sampler="dpmpp_2m", spacing="uniform", steps=2, guidance=1.0)
    assert student.facts["distilled"] == {"from": teacher.facts["hash"], "guidance": 2.0}
    assert student.facts["size"] == teacher.facts["size"]
    assert drawn(student).shape == before.shape
    assert not torch.equal(drawn(student), before)
    for part in ("vae", "text_encoder"):
        mine, its = (next((folder / part).glob("*.safetensors")) for folder in (run.few_steps, run.model))
        assert mine.read_bytes() == its.read_bytes()

    # What is done is done, and what a kill may have left of it goes.
    run.state("few_steps").mkdir()
    log = run.log.read_bytes()
    assert any("done already" in event.text for event in distilled(run) if isinstance(event, Said))
    assert run.log.read_bytes() == log
    assert not run.state("few_steps").exists()


def test_a_longer_training_comes_nearer(run: RunFolder) -> None:
    distilled(run, replace(SMALL, images=1024, epochs=8.0))
    losses = [entry["losses"]["loss"] for entry in run.entries() if entry["stage"] == "few_steps"]
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])


@pytest.mark.parametrize("after", [1, 5, 9, 12, 16])
def test_left_anywhere_it_goes_on_as_if_nothing_had_happened(
    run: RunFolder, tmp_path: Path, after: int
) -> None:
    other = RunFolder(shutil.copytree(run.root, tmp_path / "other"))
    distilled(other)
    work = distil(DistilRequest(run=run.root, config=SMALL))
    seen = 0
    for event in work:
        seen += isinstance(event, Progress)
        if seen == after:
            break
    work.close()
    distilled(run)
    assert steps(run) == list(range(1, 9))
    weights = [next((one.few_steps / "transformer").glob("*.safetensors")) for one in (run, other)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_other_settings_wait_until_what_was_begun_is_done(run: RunFolder) -> None:
    work = distil(DistilRequest(run=run.root, config=SMALL))
    while not run.state("few_steps").is_dir():
        next(work)
    work.close()
    other = replace(SMALL, steps=1)
    with pytest.raises(RunFolderError, match="same command as before, or remove"):
        distilled(run, other)
    distilled(run)
    distilled(run, other)
    assert LatentDiffusion.load(run.few_steps).sampling.steps == 1


def test_minutes_become_parts_and_steps(run: RunFolder) -> None:
    in_minutes = replace(SMALL, images=None, minutes=0.2)
    work = distil(DistilRequest(run=run.root, config=in_minutes))
    while "few_steps steps" not in run.plan():
        next(work)
    work.close()
    planned = run.plan()["few_steps plan"]
    assert planned["parts"] >= 1
    assert run.plan()["few_steps steps"] >= 10


def test_too_few_minutes_are_refused(run: RunFolder) -> None:
    with pytest.raises(PlanError, match="too few to distil"):
        distilled(run, replace(SMALL, images=None, minutes=1e-5))
    distilled(run)  # what was refused is in nobody's way
    assert run.few_steps.is_dir()


def test_a_recipe_may_ask_for_it(trained: Path, tmp_path: Path) -> None:
    """The last stage of a training; the run that has no such stage yet gets it from the same command."""

    record = read_json(trained / "recipe.json")
    recipe = from_json(Recipe, record["recipe"])
    run = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    asked = replace(recipe, distillation=SMALL)
    write_json(run.root / "recipe.json", record | {"recipe": to_json(asked)})
    list(train(TrainRequest(source=record["source"], out=run.root, recipe=asked)))
    assert LatentDiffusion.load(run.few_steps).sampling.steps == 2


def test_by_the_command_line(cli: Callable, run: RunFolder, tmp_path: Path) -> None:
    words = ("generate", "a red ring", "--model", run.root, "--few-steps", "--out", tmp_path / "ring.png")
    refused = cli(*words)
    assert refused.exit_code == 2
    assert f"rhinoise distil {run.root}" in refused.stderr
    assert "done" not in run.plan()
    result = cli("distil", run.root, "--images", 128, "--steps", 2, "--guidance", 1.5, "--set", "epochs=1")
    assert result.exit_code == 0, result.stderr
    assert LatentDiffusion.load(run.few_steps).facts["distilled"]["guidance"] == 1.5
    result = cli(*words)
    assert result.exit_code == 0, result.stderr
    assert "dpmpp_2m, 2 steps, guidance 1" in result.stderr
    assert (tmp_path / "ring.png").is_file()
