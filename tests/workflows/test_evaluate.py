"""A trained model is measured: what is compared with what, and what is left out with a sentence."""

import csv
import json
import shutil
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.evaluation.spaces import SPACES
from rhinoise.nets.features import RandomConv
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.workflows import evaluate as module
from rhinoise.workflows.evaluate import choose, evaluate
from rhinoise.workflows.events import Event, Said
from rhinoise.workflows.pictures import Pictures, read_pictures
from rhinoise.workflows.scoring.scores import Scores
from rhinoise.workflows.scoring.trained import EvaluateRequest, open_trained


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy to write scores into."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty pictures of two captions each; the first captions of two pictures are the same."""
    folder = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(1)
    rows = []
    for number in range(50):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number:02}.png")
        rows.append((f"{number:02}.png", json.dumps([f"number {max(1, number)}", f"picture {number}"])))
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "text"), *rows])
    return folder


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pictures than a person would want."""
    monkeypatch.setattr(module, "PROMPTS", 2)
    monkeypatch.setattr(module, "SEEDS", 2)


def told(events: Generator[Event, None, Scores]) -> tuple[list[str], Scores]:
    """Every sentence, and the scores."""
    said = []
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return said, end.value
        if isinstance(event, Said):
            said.append(event.text)


def asked(run: Path, **more: object) -> EvaluateRequest:
    return replace(EvaluateRequest(run=run, features="random_conv", samples=20), **more)


def test_scores_are_printed_and_written(cli: Callable, run: Path) -> None:
    (run / "skipped.csv").write_text("as the training left it")
    result = cli("evaluate", run, "--features", "random_conv")
    assert result.exit_code == 0, result.stderr
    scores = json.loads((run / "scores.json").read_text())
    assert scores["model_hash"] == LatentDiffusion.load(run).facts["hash"]
    assert scores["held_out"]
    assert scores["features"]["retrieval"]["among"] == scores["pictures"] == 2
    assert f"{scores['autoencoder']['psnr']:.1f} dB" in result.stdout
    assert f"{scores['loss']:.4f}" in result.stdout
    assert "random_conv" in result.stdout
    assert "sets are not compared: that takes 40 training pictures at least" in result.stderr
    assert scores["features"]["likeness"] is None
    assert (run / "samples" / "loss.png").is_file()
    assert (run / "samples" / "autoencoder.png").is_file()
    assert (run / "skipped.csv").read_text() == "as the training left it"


def test_sets_are_compared_beside_controls(run: Path, many: Path, tmp_path: Path) -> None:
    _, scores = told(evaluate(asked(run, data=str(many), out=tmp_path / "out")))
    assert not (run / "scores.json").exists()
    assert (tmp_path / "out" / "scores.json").is_file()
    assert scores.features is not None
    likeness = scores.features.likeness
    assert likeness is not None
    assert likeness.samples == 20
    # Pictures of noise are these pictures, as a set; a grey one is none of them.
    assert likeness.real.frechet < likeness.grey.frechet
    assert likeness.noise.frechet < likeness.grey.frechet
    assert likeness.real.manifolds.precision > 0.5
    assert likeness.grey.manifolds.precision == 0
    assert any("Frechet" in row[0] for _, rows in scores.tables() for row in rows)


def pictures_of(run: Path, source: Path) -> Pictures:
    trained = open_trained(asked(run, data=str(source)))
    work = read_pictures(trained.source, trained.recipe)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_what_is_compared_is_disjoint_and_the_same_every_time(run: Path, many: Path) -> None:
    pictures = pictures_of(run, many)
    first, second = choose(pictures, 20), choose(pictures, 20)
    np.testing.assert_array_equal(first.trained, second.trained)
    parts = [set(part.tolist()) for part in (first.trained, first.reference, first.held_out)]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert parts[0] | parts[1] <= set(pictures.train.tolist())
    assert parts[2] <= set(pictures.held_out.tolist())


def test_a_picture_is_asked_for_by_its_first_caption(run: Path, many: Path) -> None:
    pictures = pictures_of(run, many)
    chosen = choose(pictures, 20)
    examples = [pictures.prepared.dataset.examples[i] for i in chosen.trained]
    assert chosen.captions(chosen.trained) == [example.captions[0] for example in examples]


def test_pictures_made_from_others_are_not_looked_for(run: Path, many: Path) -> None:
    pictures = pictures_of(run, many)
    chosen = choose(pictures, 20)
    assert chosen.originals == list(range(20))
    examples = list(pictures.prepared.dataset.examples)
    for row, kind in ((0, "recoloured"), (1, "original")):
        number = chosen.trained[row]
        examples[number] = replace(examples[number], tags={"kind": kind})
    dataset = replace(pictures.prepared.dataset, examples=tuple(examples))
    made = replace(chosen, pictures=replace(pictures, prepared=replace(pictures.prepared, dataset=dataset)))
    assert made.originals == list(range(1, 20))


def test_a_caption_that_pictures_share_is_asked_once() -> None:
    features = torch.eye(3)
    found = module._retrieval(features, features, ["a", "b", "a"], most=3)
    assert found is not None
    assert (found.among, found.top1) == (2, 1.0)
    assert module._retrieval(features, features, ["a", "a", "a"], most=3) is None


def test_scores_of_another_model_do_not_stay(run: Path) -> None:
    opened = open_trained(asked(run))
    opened.keep({"one": 1})
    opened.keep({"two": 2})
    assert {"one", "two"} < json.loads((run / "scores.json").read_text()).keys()
    (run / "scores.json").write_text(json.dumps({"model_hash": "another's", "one": 1}))
    opened.keep({"two": 2})
    assert "one" not in json.loads((run / "scores.json").read_text())


def test_the_feature_space_is_opened_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def counted() -> RandomConv:
        opened.append(RandomConv())
        return opened[-1]

    monkeypatch.setitem(SPACES, "random_conv", counted)
    _, scores = told(evaluate(asked(run)))
    assert scores.features is not None
    assert scores.replicas is not None
    assert len(opened) == 1


def test_features_that_were_trained_on_do_not_judge(run: Path) -> None:
    record = json.loads((run / "recipe.json").read_text())
    record["recipe"]["losses"] |= {"perceptual": 0.5, "perceptual_features": "random_conv"}
    (run / "recipe.json").write_text(json.dumps(record))
    said, scores = told(evaluate(asked(run)))
    assert any("left out" in text and "was trained on random_conv" in text for text in said)
    assert scores.features is None
    assert json.loads((run / "scores.json").read_text())["features"] is None


def test_what_cannot_be_asked_for_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="--samples is a number of pictures from 20 to 4096, not 3"):
        asked(run, samples=3)
    with pytest.raises(UnknownNameError, match="random_conv"):
        told(evaluate(asked(run, features="random")))
    (run / "recipe.json").unlink()
    with pytest.raises(ConfigError, match="say --data FOLDER"):
        told(evaluate(replace(asked(run), run=run / "model")))
