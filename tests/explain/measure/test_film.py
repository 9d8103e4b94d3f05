from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from rhinoise.core.random import noise_source
from rhinoise.diffusion.guidance import guided
from rhinoise.diffusion.level import NoiseLevel
from rhinoise.diffusion.samplers import SAMPLERS
from rhinoise.diffusion.schedules import flow
from rhinoise.diffusion.timesteps import levels
from rhinoise.explain.measure.film import MOST_STILLS, Recorder, develop, kept_steps, settled_from

SHAPE = (4, 8, 8)
SCALE = 3.0
LEVELS = levels(flow(), 6)


def both(x: torch.Tensor, level: NoiseLevel) -> tuple[torch.Tensor, torch.Tensor]:
    """Two denoisers that lean on what they see: with the caption towards 1, without towards 0."""
    return 0.3 * x + 0.7, 0.3 * x


def drawn(sampler: str, recorder: Recorder | None, **settings: object) -> torch.Tensor:
    """The last latents of a batch of two, watched or not."""
    noise = noise_source(0, [0, 1], SHAPE)
    watched = both if recorder is None else recorder.around_both(both)
    denoise = guided(watched, lambda x, level: both(x, level)[0], scale=SCALE, **settings)
    around = denoise if recorder is None else recorder.around(denoise)
    steps = SAMPLERS[sampler](around, noise(-1), LEVELS, noise=noise)
    *_, last = steps if recorder is None else recorder.record(steps)
    return last.x


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_watching_changes_nothing_and_sees_every_step(sampler: str) -> None:
    recorder = Recorder(range(1, 7))
    assert torch.equal(drawn(sampler, recorder), drawn(sampler, None))
    assert [still.step for still in recorder.stills] == [1, 2, 3, 4, 5, 6]
    for still, level in zip(recorder.stills, LEVELS, strict=False):
        assert still.level is level  # heun's second looks would be at the next one
        captioned, free = both(still.x, level)
        assert torch.allclose(still.guidance, captioned - free)
        assert torch.allclose(still.x0, free + SCALE * (captioned - free))
    assert torch.equal(recorder.stills[0].x, noise_source(0, [0, 1], SHAPE)(-1))


def test_where_nothing_is_guided_there_is_no_difference() -> None:
    recorder = Recorder(range(1, 7))
    drawn("ddim", recorder, interval=(0.0, 0.5))
    assert [still.guidance is None for still in recorder.stills] == [
        float(level.sigma) > 0.5 for level in LEVELS[:-1]
    ]


def decode(latents: torch.Tensor) -> torch.Tensor:
    """A linear one, that stays within [-1, 1]."""
    return F.interpolate(0.02 * latents[:, :3], scale_factor=2)


def developed(recorder: Recorder, index: int) -> object:
    last = drawn("ddim", recorder)[index : index + 1]
    return develop(recorder.stills, index, last, decode(last), decode)


def test_a_film_ends_where_its_picture_is() -> None:
    film = developed(Recorder(range(1, 7)), 1)
    assert film.expected.shape == film.noisy.shape == (6, 3, 16, 16)
    assert film.preview_psnr > 40  # the decoder is linear, and so found
    distances = [step.distance for step in film.steps]
    assert distances[-1] == pytest.approx(0, abs=1e-3)
    assert distances[0] > distances[-1]
    assert film.steps[0].snr_db is None
    assert all(step.guidance == pytest.approx(0.7) for step in film.steps)
    assert set(film.settled) == {"layout", "colours"}
    assert film.latents["x"].shape == (6, *SHAPE)
    bare = film.bare()
    assert (bare.steps, bare.settled) == (film.steps, film.settled)
    assert not bare.latents


def test_one_still_is_a_film() -> None:
    film = developed(Recorder([6]), 0)
    assert film.settled == {"layout": 6, "colours": 6}
    assert film.total == 6


@pytest.mark.parametrize(
    ("distances", "place"),
    [([9.0, 8.0, 1.0], 2), ([9.0, 1.0, 8.0, 0.0], 3), ([1.0, 1.0], 0), ([9.0, 9.0, 9.0], 2), ([7.0], 0)],
)
def test_settled_is_settled_for_good(distances: list[float], place: int) -> None:
    assert settled_from(distances, 5.0) == place


@pytest.mark.parametrize("total", [1, 2, 20, 60, 61, 1000])
def test_a_long_film_is_thinned_evenly_from_first_to_last(total: int) -> None:
    kept = kept_steps(total)
    assert kept[0] == 1
    assert kept[-1] == total
    assert len(kept) == min(total, MOST_STILLS)
    gaps = {there - here for here, there in pairwise(kept)}
    assert not gaps or max(gaps) - min(gaps) <= 1
