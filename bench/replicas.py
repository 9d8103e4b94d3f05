"""Whether the replica meter finds out what a model knows by heart: python -m bench.replicas OUT

A tiny model of 16 x 16 pixels sees 16 pictures a hundred times as often as 146 others, and draws them.
Two minutes on two busy cores. The meter is calibrated on held-out pictures; the numbers are printed as JSON.
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Generator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from rhinoise.core.config import to_json
from rhinoise.data.dataset import split
from rhinoise.data.folder import open_folder
from rhinoise.evaluation.spaces import open_space
from rhinoise.pipeline.latent_diffusion import LatentDiffusion
from rhinoise.recipes import Recipe
from rhinoise.workflows.choose import choose
from rhinoise.workflows.pictures import read_pictures
from rhinoise.workflows.scoring.replicas import open_checker
from rhinoise.workflows.train import TrainRequest, train

OFTEN, TIMES, SELDOM, EACH, SEED = 16, 100, 260, 4, 0
HELD_OUT = 0.4
WORDS = ("red", "green", "blue", "grey", "wide", "tall", "old", "new")
SETTINGS = (
    f"data.held_out={HELD_OUT}",
    "network.fine_width=32",
    "network.fine_blocks=1",
    "network.width=64",
    "network.depth=2",
    "network.text_width=32",
    "network.pooled_width=32",
    "text.width=32",
    "text.layers=1",
    "text.heads=2",
    "contrastive.channels=8",
    "contrastive.shared=8",
    "autoencoder.width=8",
    "autoencoder.blocks=1",
    "fit_text.batch=32",
    "sampling.steps=10",
)


def pictures(folder: Path) -> list[str]:
    """Soft blots, no two alike, OFTEN of those that are learnt from in many copies: the captions of these."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(SEED)
    for words in list(product(WORDS, WORDS, WORDS))[: OFTEN + SELDOM]:
        coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8))
        name = "-".join(words)
        coarse.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(" ".join(words))
    alone = open_folder(folder, "auto", False)
    often = [alone.examples[i] for i in split(alone, HELD_OUT)[0][:: SELDOM // 2 // OFTEN][:OFTEN]]
    for number, example in enumerate(often):
        (folder / example.name).with_suffix(".txt").write_text(chr(ord("a") + number))
        for copy in range(1, TIMES):
            for ending in (".png", ".txt"):
                file = (folder / example.name).with_suffix(ending)
                shutil.copy(file, folder / f"{file.stem}-{copy:02}{ending}")
    return [chr(ord("a") + number) for number in range(OFTEN)]


def finished(events: Generator[Any, None, Any]) -> Any:
    """What a workflow returns in the end."""
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def measured(out: Path, recipe: Recipe) -> dict[str, Any]:
    """Train, draw what it saw often, EACH times each, and look them up."""
    known = pictures(out / "pictures")
    source, run = str(out / "pictures"), out / "run"
    finished(train(TrainRequest(source=source, out=run, recipe=recipe)))
    model = LatentDiffusion.load(run)
    own = finished(read_pictures(source, recipe))
    checker = finished(open_checker(model, own, open_space("random_conv")))
    found = checker.meter(torch.cat(list(model.illustrate(known * EACH, seed=SEED))))
    return {
        "training pictures": len(checker.rows),
        "calibration": to_json(checker.meter.calibration),
        "drawn": len(found),
        "labels": Counter(one.label for one in found),
        "scores": sorted(round(one.score, 2) for one in found),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    os.environ.setdefault("RHINOISE_CACHE", str(folder / "cache"))
    print(json.dumps(measured(folder, choose("lean", 16, images=30_000, assignments=SETTINGS)), indent=1))
