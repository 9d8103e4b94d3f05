"""Prompts are drawn and judged, beside what the judge makes of real pictures; here all of them are blocks."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from rhinoise.core.errors import MissingPackageError
from rhinoise.core.shapes import Images
from rhinoise.data import composed
from rhinoise.data.composed import PLACES, Draw, caption
from rhinoise.data.dataset import Dataset, Example
from rhinoise.data.suite import asked
from rhinoise.evaluation import judge, sight
from rhinoise.evaluation.sight import gaze
from rhinoise.workflows.evaluate import evaluate
from rhinoise.workflows.events import Said
from rhinoise.workflows.scoring import suite as module
from rhinoise.workflows.scoring.scores import kept_tables
from rhinoise.workflows.scoring.trained import EvaluateRequest

SHAPES = {"bar": (0.9, 0.2), "block": (0.9, 0.9), "pole": (0.2, 0.9)}
STYLES = {"bold": True, "hollow": False}


class Thumb:
    """Twelve by twelve pixels of the gaze, and of the whole."""

    name, dim = "thumb", 864

    def __call__(self, images: Images) -> torch.Tensor:
        return torch.cat(
            [F.adaptive_avg_pool2d(part, 12).flatten(1) for part in (gaze(images), images)], dim=1
        )


def block(subject: str, style: str) -> Draw:
    def drawn(size: int, background: composed.Colour) -> Image.Image:
        image = Image.new("RGB", (size, size), background)
        width, height = (round(part * size) for part in SHAPES[subject])
        box = ((size - width) // 2, (size - height) // 2, (size + width) // 2, (size + height) // 2)
        thick = max(1, size // 16)
        fill = {"fill": "blue"} if STYLES[style] else {"outline": "blue", "width": thick}
        ImageDraw.Draw(image).rectangle(box, **fill)
        return image

    return drawn


def works() -> list[tuple[dict[str, str], Draw]]:
    found = []
    for subject, style in itertools.product(SHAPES, STYLES):
        tags = {"subject": subject, "style": style, "group": "Objects", "count": "1"}
        draw = block(subject, style)
        found.append((tags | {"kind": "original"}, draw))
        found += [
            (tags | {"kind": "placed", "place": place}, composed.placed(draw, place)) for place in PLACES
        ]
        found += [
            (
                tags | {"kind": "paired", "count": "2", "other": other},
                composed.paired(draw, block(other, style)),
            )
            for other in SHAPES
            if other != subject
        ]
    return found


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """What the judge is taught by, and examined on, instead of thousands of pictures."""
    made = works()
    examples = tuple(
        Example(name=str(i), captions=(caption(tags),), digest=f"{i}", tags=tags)
        for i, (tags, _) in enumerate(made)
    )
    dataset = Dataset(
        name="blocks",
        examples=examples,
        read=lambda index, size, background: made[index][1](size or 64, background),
    )
    monkeypatch.setattr(module, "open_composed", lambda: dataset)
    monkeypatch.setattr(module, "Sight", Thumb)
    monkeypatch.setattr(judge, "KEPT_BACK", 0.3)
    prompts = [asked(tags, seen=i % 2 == 0) for i, (tags, _) in enumerate(made[:12])]
    monkeypatch.setattr(module, "suite", lambda: tuple(prompts))
    return dataset


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_prompts_are_drawn_judged_and_shown(cli: Callable, run: Path, blocks: Dataset) -> None:
    result = cli("evaluate", run, "--suite")
    assert result.exit_code == 0, result.stderr
    assert "chance" in result.stdout
    assert "everything right" in result.stdout
    scores = json.loads((run / "scores.json").read_text())["suite"]
    assert [one["prompt"] for one in scores["prompts"]] == [one.prompt for one in module.suite()]
    assert {one["point"] for one in scores["seen"]} > {"subject", "style", "place", "count", "everything"}
    for name in ("suite_seen.png", "suite_unseen.png"):
        with Image.open(run / "samples" / name) as sheet:
            assert sheet.width > 6 * module.SHOWN
    assert kept_tables({"suite": scores})[0][0].startswith("12 prompts")


def test_scores_of_both_kinds_stay_beside_each_other(cli: Callable, run: Path, blocks: Dataset) -> None:
    assert cli("evaluate", run, "--suite").exit_code == 0
    assert cli("evaluate", run, "--features", "random_conv").exit_code == 0
    found = json.loads((run / "scores.json").read_text())
    assert {"suite", "autoencoder"} < set(found)
    titles = [title for title, _ in kept_tables(found)]
    assert titles[0].startswith("the model")
    assert titles[-1].startswith("12 prompts")


def test_the_judge_is_taught_once(run: Path, blocks: Dataset) -> None:
    first, second = (
        [event.text for event in evaluate(EvaluateRequest(run=run, suite=True)) if isinstance(event, Said)]
        for _ in range(2)
    )
    assert any("teaching" in text for text in first)
    assert not any("teaching" in text for text in second)


def test_its_ceiling_is_measured_on_pictures_that_it_was_not_taught_by(blocks: Dataset) -> None:
    kept = module.examined(blocks)
    assert 5 < len(kept) < len(blocks)
    assert all(judge.kept_back(blocks.examples[i]) for i in kept)
    work = module.ready_judge(Thumb())
    try:
        while True:
            next(work)
    except StopIteration as end:
        _, real = end.value
    found = {one.point: one for one in real}
    assert found["subject"].among == len(kept)
    assert found["subject"].right > 0.8 > 0.6 > found["subject"].chance
    assert found["place"].right == 1.0


def test_what_the_suite_brings_cannot_be_given(cli: Callable, run: Path) -> None:
    for words in (("--features", "random_conv"), ("--samples", "30"), ("--data", "emoji")):
        result = cli("evaluate", run, "--suite", *words)
        assert result.exit_code == 2
        assert "--suite brings its own prompts and its own judge" in result.stderr


def test_a_model_trained_to_please_the_judge_is_not_judged(cli: Callable, run: Path) -> None:
    record = json.loads((run / "recipe.json").read_text())
    record["recipe"]["losses"] |= {"perceptual": 0.5, "perceptual_features": "efficientnet_lite0"}
    (run / "recipe.json").write_text(json.dumps(record))
    result = cli("evaluate", run, "--suite")
    assert result.exit_code == 2
    assert "trained to please" in result.stderr


def test_without_its_packages_one_sentence_says_so(
    cli: Callable, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingPackageError("the feature space efficientnet_lite0", "some-package")

    monkeypatch.setattr(sight, "EfficientNetLite0", missing)
    result = cli("evaluate", run, "--suite")
    assert result.exit_code == 2
    assert "pip install some-package" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
