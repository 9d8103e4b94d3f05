"""What a training would be like."""

from pathlib import Path

from rhinoise.workflows.choose import choose
from rhinoise.workflows.forecast import ForecastRequest, forecast


def test_a_forecast_times_the_recipe_on_the_pictures(
    shapes: Path, tiny: list[str], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path))
    recipe = choose("lean", 16, assignments=tiny[5::2])
    asking = forecast(ForecastRequest(source=str(shapes), recipe=recipe))
    try:
        while True:
            next(asking)
    except StopIteration as end:
        found = end.value
    assert 0 < found.seconds_per_step < 10
    assert found.batch == recipe.fit_denoiser.batch == 8
    assert found.share == recipe.shares.denoiser
    assert found.pictures == 22
