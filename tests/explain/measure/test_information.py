import math

import pytest
import torch

from rhinoise.core.shapes import TextEmbedding
from rhinoise.diffusion.schedules import SCHEDULES, cosine, flow
from rhinoise.explain.measure.information import (
    GRID_DB,
    MATTERS,
    TOLD,
    another,
    summed,
    times_of,
    told_of,
)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_levels_have_the_snrs_that_were_asked_for(name: str) -> None:
    schedule = SCHEDULES[name]()
    times = times_of(schedule)
    assert len(times) >= len(GRID_DB) - 4  # Stable Diffusion's schedule ends at -23 dB
    found = 10 / math.log(10) * schedule(times).log_snr.flatten()
    for value in found.tolist():
        assert min(abs(value - wanted) for wanted in GRID_DB) < 0.5


@pytest.mark.parametrize("schedule", [flow(), cosine()])
@pytest.mark.parametrize("told", [0.5, 0.9])
def test_what_a_gaussian_channel_tells_is_half_a_logarithm(schedule: object, told: float) -> None:
    """x0 of variance 1 whose mean, of variance `told`, the caption says: I = -1/2 log(1 - told) a number.

    The best denoiser's error is v / (1 + v s) for what is left of variance v, at s = alpha^2 / sigma^2. So
    much is told at the clean end, where 1 / s is small beside v, that the grid must reach it: within 5 %.
    """
    times = times_of(schedule, [float(value) for value in range(60, -61, -2)])
    s = schedule(times).log_snr.flatten().exp()

    def errors(variance: float) -> torch.Tensor:
        return torch.stack([variance / (1 + variance * s)] * 2)[:, :, None].expand(-1, -1, 4)

    own, nothing = errors(1 - told), errors(1.0)
    rows = [{TOLD[0]: own[:, row], TOLD[2]: nothing[:, row]} for row in range(len(s))]
    found = summed(schedule, times, rows, numbers=10)
    assert found.nats == pytest.approx(-5 * math.log(1 - told), rel=0.05)
    assert found.nats_error == pytest.approx(0, abs=1e-6)
    assert 0 < found.noisy_nats < found.nats
    # The caption takes told / (1 + (1 - told) s) off the loss, which is 5 % at this s.
    where = 10 * math.log10((told / MATTERS - 1) / (1 - told))
    assert found.matters_below_db == pytest.approx(where, abs=0.2)


def test_where_captions_tell_nothing_there_are_no_nats() -> None:
    times = times_of(flow())
    same = torch.rand(2, 5, generator=torch.Generator().manual_seed(0))
    found = summed(flow(), times, [dict.fromkeys(TOLD, same)] * len(times), numbers=10)
    assert (found.nats, found.nats_error, found.noisy_nats) == (0, 0, 0)
    assert found.matters_below_db is None
    assert {level.nats_per_db for level in found.levels} == {0}


@pytest.mark.parametrize("captions", [["a", "b"], ["a", "a", "b", "b", "b"], ["a", "b", "c", "a"]])
def test_another_caption_says_something_else(captions: list[str]) -> None:
    places = another(captions)
    assert all(captions[place] != caption for place, caption in zip(places, captions, strict=True))


def test_of_one_caption_there_is_no_other() -> None:
    assert another(["a", "a"]) is None

    def embed(captions: object) -> TextEmbedding:
        count = len(captions)
        return TextEmbedding(
            tokens=torch.zeros(count, 2, 4),
            mask=torch.ones(count, 2, dtype=torch.bool),
            pooled=torch.zeros(count, 4),
        )

    assert set(told_of(["a", "a"], embed)) == {TOLD[0], TOLD[2]}
    assert set(told_of(["a", "b"], embed)) == set(TOLD)
