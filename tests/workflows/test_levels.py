import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from rhinoise.core.images import to_tensor
from rhinoise.evaluation.levels import loss_by_level
from rhinoise.explain.measure.information import BATCH, TOLD, times_of, told_of
from rhinoise.pipeline.errors import errors_by_level
from rhinoise.pipeline.latent_diffusion import LatentDiffusion


def test_levels_are_measured_drawn_and_written(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path
) -> None:
    words = ("levels", trained, "--data", shapes, "--pictures", 4, "--out", tmp_path)
    result = cli(*words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(tmp_path / "levels.png"), str(tmp_path / "levels.json")]
    found = json.loads((tmp_path / "levels.json").read_text())
    assert set(found["levels"][0]["answer"]) <= set(TOLD)
    assert "nats" in result.stderr
    assert Image.open(tmp_path / "levels.png").convert("RGB").width > 1000


def test_it_is_the_loss_that_evaluation_measures(trained: Path, shapes: Path) -> None:
    model = LatentDiffusion.load(trained, precision="fp32")
    captions = ["a red bar", "a blue ring", "a green circle"]
    names = [caption.removeprefix("a ").replace(" ", "-") for caption in captions]
    images = to_tensor([Image.open(shapes / f"{name}.png").convert("RGB").resize((16, 16)) for name in names])
    latents, told = model.encode(images), told_of(captions, model.embed)
    times = times_of(model.schedule)
    levels = times.tolist()
    ours = list(errors_by_level(model.denoiser, model.schedule, latents, told, levels, batch=BATCH))
    theirs = loss_by_level(model.denoiser, model.schedule, latents, told[TOLD[0]], times=levels)
    for errors, level in zip(ours, theirs, strict=True):
        assert torch.allclose(
            errors[TOLD[0]].mean(1), torch.tensor([level.answer, level.x0]), rtol=1e-4, atol=1e-6
        )
    assert ours[-1][TOLD[2]][0].mean() != pytest.approx(float(ours[-1][TOLD[0]][0].mean()), rel=1e-6)
