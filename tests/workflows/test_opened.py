"""Models that stay open: the same object as long as the folder is the same, and nobody changes it."""

import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from rhinoise.core.errors import ModelFolderError
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.storage import bundle
from rhinoise.workflows.opened import keep_open
from rhinoise.workflows.paths import open_model


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Two models, in these tests alone."""
    keep_open(2)
    yield
    keep_open(0)


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> list[Path]:
    """Three of the same."""
    return [Path(shutil.copytree(trained, tmp_path / f"run {number}")) for number in range(3)]


def test_the_same_model_is_opened_once(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_model(trained)
    assert open_model(str(trained)) is first
    monkeypatch.chdir(trained.parent)
    assert open_model(trained.name) is first
    assert open_model(trained, "bf16") is not first
    assert open_model(trained) is first


def test_who_asked_for_none_keeps_none(trained: Path) -> None:
    first = open_model(trained)
    keep_open(0)
    second = open_model(trained)
    assert first is not second
    assert open_model(trained) is not second


def test_those_asked_for_last_stay(runs: list[Path]) -> None:
    first, second = (open_model(run) for run in runs[:2])
    assert open_model(runs[0]) is first
    third = open_model(runs[2])
    assert open_model(runs[0]) is first
    assert open_model(runs[2]) is third
    assert open_model(runs[1]) is not second


def test_there_are_never_more_than_asked_for(runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while another one is read: the oldest goes first."""
    keep_open(1)
    alive: list[int] = []
    models: list[object] = []
    load = bundle.load
    monkeypatch.setattr(bundle, "load", lambda folder: alive.append(len(models)) or load(folder))
    for run in runs:
        model = open_model(run)
        weakref.finalize(model, models.pop)
        models.append(run)
        del model
    assert alive == [0, 0, 0]


def test_a_model_that_was_trained_further_is_opened_anew(runs: list[Path]) -> None:
    run = runs[0]
    first = open_model(run)
    parts = bundle.load(run / "model")
    with torch.no_grad():
        for parameter in parts.network.parameters():
            parameter.add_(0.01)
    bundle.save(run / "model", parts)
    second = open_model(run)
    assert second.facts["hash"] != first.facts["hash"]
    assert open_model(run) is second


def test_what_lies_beside_the_model_in_its_run_does_not_count(runs: list[Path]) -> None:
    first = open_model(runs[0])
    (runs[0] / "scores.json").write_text("{}")
    assert open_model(runs[0]) is first


def test_the_model_for_few_steps_is_another(runs: list[Path]) -> None:
    with pytest.raises(ModelFolderError):
        open_model(runs[0], few_steps=True)
    shutil.copytree(runs[0] / "model", runs[0] / "few_steps")
    first, few = open_model(runs[0]), open_model(runs[0], few_steps=True)
    assert few is not first
    assert open_model(runs[0], few_steps=True) is few


def test_a_model_that_is_gone_is_not_there(runs: list[Path]) -> None:
    open_model(runs[0])
    shutil.rmtree(runs[0] / "model")
    with pytest.raises(ModelFolderError):
        open_model(runs[0])


WORDS = {
    "generate": ["generate", "a red circle", "--film", "--out", "OUT", "--model", "RUN"],
    "attention": ["attention", "a red circle", "--out", "OUT", "--model", "RUN"],
    "reconstruct": ["reconstruct", "PICTURE", "--count", "2", "--out", "OUT", "--model", "RUN"],
    "levels": ["levels", "RUN", "--out", "OUT"],
    "evaluate": ["evaluate", "RUN", "--samples", "20", "--features", "random_conv", "--out", "OUT"],
    "atlas": ["atlas", "RUN", "--out", "OUT.html"],
    "forward": ["forward", "PICTURE", "--model", "RUN", "--out", "OUT.png"],
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_no_workflow_changes_an_opened_model(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path, words: list[str]
) -> None:
    precision = "fp32" if words[0] == "forward" else "auto"
    model = open_model(trained, precision)
    before = state(model), model.generate(GenerateRequest(prompt="a red circle", seed=3))
    places = {"RUN": trained, "OUT": tmp_path / "out", "PICTURE": shapes / "red-circle.png"}
    places |= {name: tmp_path / name for name in ("OUT.png", "OUT.html")}
    result = cli(*(places.get(word, word) for word in words))
    assert result.exit_code == 0, result.stderr
    assert open_model(trained, precision) is model
    after = state(model), model.generate(GenerateRequest(prompt="a red circle", seed=3))
    assert before[0].keys() == after[0].keys()
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    assert torch.equal(before[1], after[1])


def state(model: LatentDiffusion) -> dict[str, torch.Tensor]:
    """Every weight under its name, which says too whether it is in training and who watches it."""
    found = {}
    for part in (model.autoencoder, model.text_encoder, model.denoiser.network, model.parts.network):
        assert isinstance(part, nn.Module)
        for name, module in part.named_modules():
            watching = len(module._forward_hooks) + len(module._forward_pre_hooks)
            for own, tensor in module.state_dict().items():
                key = f"{type(part).__name__} {name} {own} {module.training} {watching} {tensor.dtype}"
                found[key] = tensor.clone()
    return found
