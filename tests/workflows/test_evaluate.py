import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rhinoise.core.errors import MissingPackageError
from rhinoise.nets.features import FEATURES
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.pipeline.request import GenerateRequest
from rhinoise.workflows.evaluate import FEATURE_SPACE, EvaluateRequest, evaluate
from rhinoise.workflows.events import Said


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy to write scores into."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_scores_are_printed_and_written(cli: Callable, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEATURES, FEATURE_SPACE, FEATURES["random_conv"])  # its weights need no package
    (run / "skipped.csv").write_text("as the training left it")
    result = cli("evaluate", run)
    assert result.exit_code == 0, result.stderr
    scores = json.loads((run / "scores.json").read_text())
    assert scores["model_hash"] == LatentDiffusion.load(run).facts["hash"]
    assert scores["held_out"]
    assert scores["retrieval"]["among"] == scores["pictures"] == 2
    assert f"{scores['autoencoder']['psnr']:.1f} dB" in result.stdout
    assert f"{scores['loss']:.4f}" in result.stdout
    assert (run / "samples" / "loss.png").is_file()
    assert (run / "samples" / "autoencoder.png").is_file()
    assert (run / "skipped.csv").read_text() == "as the training left it"


def test_without_the_feature_packages_retrieval_is_left_out_with_a_sentence(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingPackageError("the feature space", "some-package")

    monkeypatch.setitem(FEATURES, FEATURE_SPACE, missing)
    events = evaluate(EvaluateRequest(run=run))
    said = []
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            scores = end.value
            break
        if isinstance(event, Said):
            said.append(event.text)
    assert scores.retrieval is None
    assert any("left out" in text and "pip install some-package" in text for text in said)


def test_many_captions_in_one_batch_draw_what_each_draws_alone(trained: Path) -> None:
    model = LatentDiffusion.load(trained, precision="fp32")
    captions = ["a red circle", "a blue bar", "something else"]
    *_, last = model.steps(GenerateRequest(prompt="", seed=3, first=5, count=3), captions)
    together = model.decode(last.x)
    alone = [
        model.generate(GenerateRequest(prompt=caption, seed=3, first=5 + i))
        for i, caption in enumerate(captions)
    ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-3, rtol=0)


def test_features_that_were_trained_on_do_not_judge(run: Path) -> None:
    record = json.loads((run / "recipe.json").read_text())
    record["recipe"]["losses"] |= {"perceptual": 0.5, "perceptual_features": FEATURE_SPACE}
    (run / "recipe.json").write_text(json.dumps(record))
    said = [event.text for event in evaluate(EvaluateRequest(run=run)) if isinstance(event, Said)]
    assert any("left out" in text and "was trained on" in text for text in said)
    assert json.loads((run / "scores.json").read_text())["retrieval"] is None
