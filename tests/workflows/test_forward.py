from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.explain.plots.pictures import FRAME
from rhinoise.explain.plots.style import DPI


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_draws_a_strip(schedule: str, cli: Callable, shapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "strip.png"
    result = cli("forward", shapes / "red-ring.png", "--schedule", schedule, "--steps", 4, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(out)]
    assert Image.open(out).convert("RGB").width > 500


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
