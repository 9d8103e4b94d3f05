"""Which of a job's files are its pictures."""

from collections.abc import Callable

from starlette.testclient import TestClient

from rhinoise.server.asks import GenerateAsk
from rhinoise.server.drawing import pictures
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.studio import pictures as studio


def test_pictures_are_in_order_from_a_hundred_on_and_nothing_else_is_one(
    asking: Callable[..., TestClient],
) -> None:
    """As text, 100 sorts before 99; a sheet, a check's figure and a resampled copy are no pictures."""
    jobs: Jobs = asking().app.state.jobs
    job = jobs.store.add("0" * 32, "generate", GenerateAsk(prompt="a ring", seed=7, steps=2).model_dump(), "")
    folder = jobs.folder(job)
    folder.mkdir(parents=True)
    drawn = [f"a-ring-7-{number:02d}.png" for number in range(102)]
    for name in (
        *drawn,
        "grid.png",
        "check.png",
        "walk-00.png",
        "a-ring-7-03.64x64.png",
        "a-ring-7-03.film.png",
    ):
        (folder / name).touch()
    assert pictures(jobs, job) == [folder / name for name in drawn]
    assert [one.name for one in studio.of(jobs, job)] == drawn
