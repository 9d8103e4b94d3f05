"""Jobs that are cancelled, put off, or whose worker is killed; asked over HTTP, done by the real worker."""

import os
import signal
from typing import Any

import numpy as np
import psutil
import pytest

LONG = {"kind": "generate", "prompt": "a red circle", "seed": 3, "steps": 250}


def worker_under_way() -> psutil.Process:
    """The one worker under way: that of the shared server, which this process has begun."""
    every = psutil.Process().children(recursive=True)
    found = [child for child in every if "rhinoise.server.worker" in child.cmdline()]
    assert len(found) == 1
    return found[0]


def test_a_job_under_way_is_cancelled_and_so_is_one_that_waits(api: Any) -> None:
    running, waiting = api.submit(**LONG, count=64), api.submit(**LONG, count=2, film=True)
    api.until(running, "progress")
    assert api.delete(f"jobs/{waiting}").json()["state"] == "cancelled"
    assert api.delete(f"jobs/{running}").status_code == 200
    assert api.ended(running)["state"] == "cancelled"
    assert api.job(waiting)["started"] is None
    assert api.ended(api.submit(**LONG | {"steps": 2}))["state"] == "done"


def test_a_killed_worker_begins_again_and_draws_the_same(api: Any) -> None:
    uninterrupted = api.submit(**LONG, count=3)
    assert api.ended(uninterrupted)["state"] == "done"
    killed = api.submit(**LONG, count=3)
    api.until(killed, "progress")
    os.kill(worker_under_way().pid, signal.SIGKILL)
    states = [told["state"] for told in api.events(killed) if told["event"] == "state"]
    assert states == ["waiting", "running", "waiting", "running", "done"]
    for one, other in zip(api.pictures(uninterrupted), api.pictures(killed), strict=True):
        assert np.abs(one - other).max() <= 1


def test_a_training_is_paused_resumed_and_its_model_used_and_deleted(
    api: Any, shapes: Any, tiny: list[str]
) -> None:
    ask = {"kind": "train", "name": "mine", "source": shapes.name, "recipe": "lean", "size": 16}
    settings = [word for word in tiny if "=" in word]
    training = api.submit(**ask, images=160, settings=settings)
    api.until(training, "progress")
    api.post(f"jobs/{training}/pause")
    for told in api.events(training):
        if told.get("state") == "paused":
            break
    refused = api.post("jobs", json=ask)
    assert (refused.status_code, "called mine already" in refused.json()["error"]) == (400, True)
    assert api.delete("models/mine").status_code == 409
    assert api.post(f"jobs/{training}/resume").json()["state"] == "waiting"
    assert api.ended(training)["state"] == "done"
    assert api.post(f"jobs/{training}/resume").status_code == 409

    drawn = api.submit(kind="generate", prompt="a red circle", seed=1, model="mine")
    assert api.ended(drawn)["state"] == "done"
    models = {model["name"]: model for model in api.get("models").json()}
    assert models["mine"]["trained_here"]
    assert models["mine"]["about"]["size"] == 16
    assert api.delete("models/mine").status_code == 204
    assert "mine" not in [model["name"] for model in api.get("models").json()]
    assert api.post("jobs", json={**LONG, "model": "mine"}).status_code == 404


def test_only_trainings_are_put_off(api: Any) -> None:
    done = api.submit(**LONG | {"steps": 1})
    api.ended(done)
    for what in ("pause", "resume"):
        assert api.post(f"jobs/{done}/{what}").status_code == 409


def test_what_fails_says_why(api: Any) -> None:
    failed = api.ended(api.submit(**LONG, sampler="dpm"))
    assert failed["state"] == "failed"
    assert "did you mean 'dpmpp_2m'" in failed["error"]


def test_what_a_workflow_refuses_at_once_does_not_take_the_worker_down(api: Any) -> None:
    """An atlas of an unknown method was refused before its job had begun, and ended the worker."""
    worker = worker_under_way().pid
    failed = api.ended(api.submit(kind="atlas", method="pac"))
    assert (failed["state"], "did you mean 'pca'" in failed["error"]) == ("failed", True)
    assert worker_under_way().pid == worker


@pytest.mark.parametrize("after", ["0", "2", "99999999999999999999", "-5"])
def test_events_of_an_ended_job_end(api: Any, after: str) -> None:
    id = api.submit(**LONG | {"steps": 1})
    assert api.ended(id)["state"] == "done"
    assert [told for told in api.events(id, int(after)) if told["event"] == "state"][-1]["state"] == "done"
