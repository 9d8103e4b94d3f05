"""Timesteps: every spacing on every schedule goes down from noise to a clean latent."""

import pytest
import torch

from rhinoise.core.errors import ConfigError, UnknownNameError
from rhinoise.diffusion.schedules import SCHEDULES
from rhinoise.diffusion.timesteps import SPACINGS, levels, time_at


def column(visited, name):
    return torch.cat([getattr(level, name).flatten() for level in visited])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("start", [1.0, 0.6])
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_levels_go_down_to_a_clean_latent(schedule, spacing, start, steps):
    visited = levels(SCHEDULES[schedule](), steps, spacing=spacing, start=start)
    assert len(visited) == steps + 1
    assert all(len(level) == 1 and level.alpha.dtype == torch.float32 for level in visited)
    assert (column(visited, "sigma").diff() < 0).all()
    assert visited[-1].is_clean
    assert visited[-1].alpha == 1
    assert torch.isfinite(column(visited[:-1], "time")).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("spacing", [name for name in SPACINGS if name not in ("leading", "stock_flow")])
@pytest.mark.parametrize("start", [1.0, 0.6])
def test_a_run_begins_at_its_start(schedule, spacing, start):
    first = levels(SCHEDULES[schedule](), 7, spacing=spacing, start=start)[0]
    wanted = SCHEDULES[schedule]()(torch.tensor([start], dtype=torch.float64)).to("cpu", torch.float32)
    assert (first.alpha, first.sigma, first.time) == (wanted.alpha, wanted.sigma, wanted.time)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_any_schedule_is_inverted(schedule):
    t = torch.tensor([0.001, 0.0123, 0.5, 0.98], dtype=torch.float64)
    torch.testing.assert_close(time_at(SCHEDULES[schedule](), SCHEDULES[schedule]()(t).ratio.flatten()), t)


@pytest.mark.parametrize(
    ("spacing", "bend"), [("exponential", torch.log), ("karras", lambda r: r ** (1 / 7))]
)
def test_ratio_spacings_are_even_in_their_own_measure(spacing, bend):
    visited = levels(SCHEDULES["scaled_linear"](), 9, spacing=spacing)[:-1]
    gaps = bend(column(visited, "ratio")).diff()
    torch.testing.assert_close(gaps, gaps[:1].expand(8), rtol=1e-3, atol=1e-5)


def test_shifted_is_a_flow_with_shift():
    ours = levels(SCHEDULES["flow"](), 8, spacing="shifted")
    theirs = levels(SCHEDULES["flow"](shift=3.0), 8)
    torch.testing.assert_close(column(ours, "sigma"), column(theirs, "sigma"))


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"spacing": "karas"}, UnknownNameError, "did you mean 'karras'"),
        ({"steps": 0}, ConfigError, "at least 1"),
        ({"start": 0.0}, ConfigError, "cannot start at 0"),
        ({"start": 1.5}, ConfigError, "cannot start at 1.5"),
        ({"steps": 2000, "spacing": "trailing"}, ConfigError, "2000 steps are too many for 'trailing'"),
        ({"steps": 2000, "spacing": "leading"}, ConfigError, "2000 steps are too many for 'leading'"),
    ],
)
def test_what_cannot_be_visited_is_refused(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        levels(SCHEDULES["linear"](), **{"steps": 10, **settings})
