"""The lab book: thinned curves are not bent, pictures keep their shape, no figure is empty."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from rhinoise.explain.chapters.data import Data, data_chapter
from rhinoise.explain.chapters.drawing import attention_chapter, film_chapter, variance_chapter
from rhinoise.explain.chapters.latents import atlas_chapter, autoencoder_chapter, forward_chapter
from rhinoise.explain.chapters.losses import POINTS, loss_chapter, thinned
from rhinoise.explain.chapters.training import Plan, plan_chapter, samples_chapter
from rhinoise.explain.chapters.worth import next_chapter, replicas_chapter, scores_chapter
from rhinoise.explain.report import SHOWN, Book, Words, pictures

EMPTY = Data(
    source="a", learnt=None, held_out=None, skipped=(), licences=(), started_from=None, why_not="why"
)
WITHOUT = {
    "data": lambda: data_chapter(EMPTY),
    "plan": lambda: plan_chapter(Plan(stages=(), seconds=None, minutes=None, finished=False, command=None)),
    "autoencoder": lambda: autoencoder_chapter("why", None, None),
    "forward": lambda: forward_chapter("why"),
    "loss": lambda: loss_chapter([], (), None),
    "samples": lambda: samples_chapter((), None),
    "film": lambda: film_chapter("why", "command"),
    "variance": lambda: variance_chapter("why", "command"),
    "atlas": lambda: atlas_chapter("why", "command"),
    "attention": lambda: attention_chapter("why", "command"),
    "replicas": lambda: replicas_chapter("why", (), "command"),
    "scores": lambda: scores_chapter({}, (), "command"),
    "next": lambda: next_chapter((), "command"),
}


def entries(count: int) -> list[dict]:
    return [{"stage": "denoiser", "step": i + 1, "losses": {"loss": 1 / (i + 1)}} for i in range(count)]


@pytest.mark.parametrize("name", WITHOUT)
def test_a_chapter_of_nothing_is_a_sentence_and_no_figure(name: str) -> None:
    chapter = WITHOUT[name]()
    page = Book(title="t", lede="l", facts={}, chapters=[chapter], whole=False).page()
    assert chapter.name == name
    assert "<figure" not in page
    assert page.count("<p") >= 3  # lede, what it is about, why not


@pytest.mark.parametrize("count", [1, POINTS, POINTS + 1, 10 * POINTS + 7])
def test_a_thinned_curve_has_the_same_mean_and_end(count: int) -> None:
    whole = entries(count)
    thin = thinned(whole)
    assert len(thin) <= POINTS
    assert thin[-1]["step"] == count
    width = -(-count // POINTS)
    weights = [min(width, count - i * width) for i in range(len(thin))]
    mean = np.average([one["losses"]["loss"] for one in thin], weights=weights)
    assert mean == pytest.approx(np.mean([one["losses"]["loss"] for one in whole]))


@pytest.mark.parametrize("size", [(16, 16), (16, 32), (2 * SHOWN, 4 * SHOWN)])
def test_pictures_keep_their_shape(size: tuple[int, int]) -> None:
    (one,) = pictures(torch.zeros(1, 3, *size), ["grey"])
    image = Image.open(io.BytesIO(base64.b64decode(one["uri"].split(",")[1])))
    assert image.width / image.height == size[1] / size[0]
    assert image.height == min(size[0], SHOWN)


def test_a_loss_chapter_says_its_own_numbers() -> None:
    log = [*entries(40), *({"stage": "held out", "step": s, "loss": v} for s, v in ((20, 0.8), (40, 0.6)))]
    chapter = loss_chapter(log, ((20, 0.8), (40, 0.6)), (0.5, 0.6))
    said = " ".join(getattr(block, "text", "") for block in chapter.blocks)
    assert "0.800 at step 20" in said
    assert "25% lower" in said
    assert "20% more" in said


def test_pictures_that_the_model_did_not_learn_from_are_not_told_as_if_it_had():
    """Once `report MODEL --data OTHER` said that pictures of OTHER were learnt, and nothing skipped."""
    told = Data(
        source="emoji",
        learnt=5,
        held_out=1,
        skipped=None,
        licences=(),
        started_from=None,
        why_not="why",
        others="mixed",
    )
    said = " ".join(block.text for block in data_chapter(told).blocks if isinstance(block, Words))
    assert "learnt from 5 pictures of emoji" in said
    assert "on other pictures, of mixed" in said
    assert "skipped" not in said
