import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.explain.plots.pictures import FRAME
from rhinoise.explain.plots.style import DPI
from rhinoise.nets.autoencoder import IdentityAutoencoder, IdentityConfig
from rhinoise.nets.transformer import Transformer, TransformerConfig
from rhinoise.storage import bundle
from rhinoise.workflows.forward import ForwardRequest, forward


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_draws_a_strip(schedule: str, cli: Callable, shapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "strip.png"
    result = cli("forward", shapes / "red-ring.png", "--schedule", schedule, "--steps", 4, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(out), str(out.with_suffix(".json"))]
    assert Image.open(out).convert("RGB").width > 500
    frames = json.loads(out.with_suffix(".json").read_text())["pixels"]
    assert [frame["t"] for frame in frames] == [0, 0.25, 0.5, 0.75, 1]
    assert frames[0]["snr_db"] is None


def test_a_strip_keeps_its_pictures_shape_and_is_the_same_each_time(cli: Callable, tmp_path: Path) -> None:
    strips = []
    for name, size in (("wide", (600, 200)), ("tall", (200, 600)), ("again", (200, 600))):
        Image.linear_gradient("L").resize(size).save(tmp_path / f"{name}.jpg")
        assert (
            cli(
                "forward", tmp_path / f"{name}.jpg", "--steps", 2, "--out", tmp_path / f"{name}.png"
            ).exit_code
            == 0
        )
        strips.append(Image.open(tmp_path / f"{name}.png").convert("RGB"))
    wide, tall, again = strips
    assert wide.width == tall.width
    assert tall.height - wide.height == pytest.approx(FRAME * DPI * (3 - 1 / 3), rel=0.02)
    assert tall.tobytes() == again.tobytes()


def test_in_latents_too_and_the_picture_is_fitted(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "strip.png"
    words = ("--model", trained, "--steps", 3, "--out", out)
    result = cli("forward", shapes / "red-ring.png", *words)
    assert result.exit_code == 0, result.stderr
    assert "is 48 x 40 pixels; this model's pictures are 16 x 16: it was fitted (pad)" in result.stderr
    found = json.loads(out.with_suffix(".json").read_text())
    assert [frame["t"] for frame in found["latents"]] == [frame["t"] for frame in found["pixels"]]
    assert [f["snr_db"] for f in found["latents"]] == [f["snr_db"] for f in found["pixels"]]
    for space in ("pixels", "latents"):
        curve = found["fading"][space]
        assert curve[0]["whole"] > 0.9 > 0.5 > abs(curve[-1]["whole"])


def test_a_model_of_pixels_shows_the_same_twice(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path
) -> None:
    parts = bundle.load(trained / "model")
    identity = IdentityAutoencoder(IdentityConfig())
    identity.set_statistics(torch.zeros(3), torch.ones(3))
    settings = {name: getattr(parts.network.config, name) for name in ("text_width", "pooled_width")}
    network = Transformer(
        TransformerConfig(
            sample_size=16,
            channels=3,
            patch_size=4,
            width=16,
            depth=1,
            heads=2,
            text="in_context",
            **settings,
        )
    )
    bundle.save(tmp_path / "pixels", replace(parts, autoencoder=identity, network=network))
    out = tmp_path / "strip.png"
    words = ("--model", tmp_path / "pixels", "--steps", 2, "--out", out)
    result = cli("forward", shapes / "red-ring.png", *words)
    assert result.exit_code == 0, result.stderr
    assert "both strips show the same" in result.stderr
    found = json.loads(out.with_suffix(".json").read_text())["fading"]
    for pixel, latent in zip(found["pixels"], found["latents"], strict=True):
        assert pixel["whole"] == pytest.approx(latent["whole"], abs=0.1)


def test_all_schedules_are_drawn_beside_each_other(cli: Callable, tmp_path: Path) -> None:
    out = tmp_path / "schedules.png"
    result = cli("schedules", "cosine", "flow", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(out.with_suffix(".json").read_text())) == set(SCHEDULES)
    assert Image.open(out).convert("RGB").width > 1000


def test_frames_are_pictures_of_their_own_from_clean_to_noise(
    trained: Path, shapes: Path, tmp_path: Path
) -> None:
    request = ForwardRequest(
        image=shapes / "red-circle.png", out=tmp_path / "strip.png", steps=4, model=trained, frames=True
    )
    list(forward(request))
    for space in ("pixels", "latents"):
        names = sorted(path.name for path in tmp_path.glob(f"{space}-*.png"))
        assert names == [f"{space}-{number:02d}.png" for number in range(5)]
    assert not (tmp_path / "strip.png").exists()
    numbers = json.loads((tmp_path / "strip.json").read_text())
    assert [frame["t"] for frame in numbers["pixels"]] == [0, 0.25, 0.5, 0.75, 1]
    with Image.open(tmp_path / "pixels-00.png") as first:
        assert first.text["Software"] == "rhinoise"
