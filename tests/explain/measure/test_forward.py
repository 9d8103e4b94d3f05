import math
from itertools import pairwise

import pytest
import torch

from rhinoise.core.random import noise_source
from rhinoise.diffusion.forward import forward_strip
from rhinoise.diffusion.schedules import SCHEDULES, edm
from rhinoise.explain.measure.forward import Seen, decoded, fading, half_gone, level_at, power_db, snr_curve

GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("snr_db", [-30.0, 0.0, 12.0])
def test_a_level_has_the_snr_that_it_was_made_for(snr_db: float) -> None:
    level = level_at(snr_db)
    assert 20 * math.log10(float(level.alpha / level.sigma)) == pytest.approx(snr_db, abs=1e-4)
    assert float(level.std) == pytest.approx(1)


def test_white_pixels_of_variance_one_fade_as_alpha_does() -> None:
    """The correlation of alpha x0 + sigma eps with x0 is alpha, when both are white and of variance 1."""
    x0 = torch.randn(1, 3, 64, 64, generator=GENERATOR)
    for seen in fading(x0, x0, lambda x: x, seed=0):
        assert seen.whole == pytest.approx(float(level_at(seen.snr_db).alpha), abs=0.02)


def test_what_a_picture_has_not_is_not_seen_to_fade() -> None:
    grey = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32).clone()
    (seen,) = fading(grey, grey, lambda x: x, seed=0, decibels=[40.0])
    assert seen.aspects["colours"] is None
    assert seen.aspects["layout"] == pytest.approx(1, abs=1e-3)
    (plain,) = fading(grey * 0, grey * 0, lambda x: x, seed=0, decibels=[40.0])
    assert plain.whole is None
    assert set(plain.aspects.values()) == {None}
    assert power_db(grey * 0) is None


def test_half_gone_lies_on_the_line_between_two_levels() -> None:
    curve = [
        Seen(snr_db=at, whole=value, aspects={"layout": value, "colours": None})
        for at, value in ((10.0, 1.0), (0.0, 0.8), (-10.0, 0.3))
    ]
    assert half_gone(curve, "layout") == pytest.approx(-6)
    assert half_gone(curve, "colours") is None
    assert half_gone(curve[:2], "layout") is None


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_falls(name: str) -> None:
    curve = snr_curve(SCHEDULES[name](), points=50)
    values = [value for value in curve.snr_db if value is not None]
    assert len(values) >= 49
    assert all(here > there for here, there in pairwise(values))
    assert curve.snr_db[-1] == curve.last_snr_db


def test_the_straight_path_has_a_closed_form() -> None:
    curve = snr_curve(SCHEDULES["flow"](), points=10)
    assert curve.even_t == pytest.approx(0.5)
    assert curve.last_snr_db is None
    assert curve.snr_db[:9] == pytest.approx([20 * math.log10((1 - t) / t) for t in curve.t[:9]])


def test_a_decoded_strip_is_brought_to_variance_one() -> None:
    x0 = torch.randn(1, 4, 32, 32, generator=GENERATOR)
    strip = forward_strip(x0, edm(), 3, noise_source(0, [0], x0.shape[1:]), steps=20)
    shown = decoded(strip, edm(), lambda latents: latents[:, :3])
    assert float(strip[-1].x.std()) > 50
    assert float(shown[-1].x.std()) == pytest.approx(1, abs=0.05)
    assert shown[0].correlation.item() == pytest.approx(1)
    assert abs(shown[-1].correlation.item()) < 0.1
