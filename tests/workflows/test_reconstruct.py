import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rhinoise.workflows.reconstruct import deviation, distances


def test_the_pictures_their_mean_and_their_deviation_agree(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path
) -> None:
    image = shapes / "blue-bar.png"
    result = cli(
        "reconstruct", image, "--model", trained, "--prompt", "a blue bar", "--count", 4, "--out", tmp_path
    )
    assert result.exit_code == 0, result.stderr
    names = ["1.png", "2.png", "3.png", "4.png"]
    files = {*names, "mean.png", "std.png", "sheet.png", "distances.json"}
    assert {path.name for path in tmp_path.iterdir()} == files
    made = np.stack([np.asarray(Image.open(tmp_path / name)) for name in names]).astype(float)
    assert np.abs(made.mean(0) - np.asarray(Image.open(tmp_path / "mean.png"))).max() <= 1
    spread = made.std(0, ddof=1).mean(-1)
    drawn = np.asarray(Image.open(tmp_path / "std.png"))[..., 0] / 255
    assert np.abs(drawn - spread / spread.max()).max() < 0.05
    told = json.loads((tmp_path / "distances.json").read_text())
    assert told["deviation"]["largest"] == pytest.approx(spread.max(), abs=1)
    assert list(told["pictures"]) == names
    # A mean is at least as near as the pictures are on average (Jensen).
    assert told["mean"]["rmse"] <= np.mean([each["rmse"] for each in told["pictures"].values()])


def test_more_noise_leads_further_away(cli: Callable, trained: Path, shapes: Path, tmp_path: Path) -> None:
    means = []
    for strength in (0.05, 0.95):
        out = tmp_path / f"{strength}"
        words = ("--model", trained, "--strength", strength, "--count", 2, "--out", out)
        assert cli("reconstruct", shapes / "blue-bar.png", *words).exit_code == 0
        means.append(json.loads((out / "distances.json").read_text())["mean"]["rmse"])
    assert means[0] < means[1]


def test_distances_have_closed_forms() -> None:
    black, white = -torch.ones(1, 3, 16, 16), torch.ones(1, 3, 16, 16)
    same, opposite = distances(torch.cat([black, white]), black)
    assert same.rmse == 0
    assert same.ssim == pytest.approx(1)
    assert opposite.rmse == pytest.approx(255)
    assert opposite.psnr == pytest.approx(0, abs=1e-4)
    assert deviation(torch.cat([black, white])).unique().item() == pytest.approx(255 / 2**0.5)


def test_the_curve_goes_from_near_to_far(cli: Callable, trained: Path, shapes: Path, tmp_path: Path) -> None:
    words = ("--model", trained, "--curve", "--count", 3, "--steps", 2, "--out", tmp_path)
    result = cli("reconstruct", shapes / "blue-bar.png", *words)
    assert result.exit_code == 0, result.stderr
    assert "of 30 results" in result.stderr
    told = json.loads((tmp_path / "variance.json").read_text())
    curve = told["by strength"]
    assert [one["strength"] for one in curve] == [step / 10 for step in range(1, 11)]
    assert all(len(one["to_original"]) == 3 for one in curve)
    assert curve[0]["mean_to_original"] < curve[-1]["mean_to_original"]
    assert curve[0]["to_each_other"] < curve[-1]["to_each_other"]
    assert Image.open(tmp_path / "variance.png").convert("RGB").width > 1000
