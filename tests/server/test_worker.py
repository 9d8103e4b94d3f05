"""A worker, spoken to as its server does, in this process."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhinoise.core.errors import ConfigError
from rhinoise.server.asks import ForecastAsk, GenerateAsk, TrainAsk
from rhinoise.server.worker.task import Task
from rhinoise.server.worker.work import WORK
from rhinoise.server.worker.worker import Worker

Told = list[tuple[str, str]]


@pytest.fixture
def drawing(trained: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The command that draws these seeds as one batch."""

    def command(*seeds: int, **more: Any) -> dict[str, Any]:
        asks = [GenerateAsk(prompt="a red circle", seed=seed, steps=20, **more) for seed in seeds]
        return {
            "do": "run",
            "jobs": [
                {
                    "id": str(ask.seed),
                    "kind": "generate",
                    "request": ask.model_dump(mode="json", exclude={"kind"}) | {"model": str(trained)},
                    "out": str(tmp_path / str(ask.seed)),
                }
                for ask in asks
            ],
        }

    return command


def worked(command: dict[str, Any], stopped: str) -> Told:
    """What a worker tells of a command, (job, event) each; `stopped` is unwanted from the first one on."""
    told: Told = []

    def tell(event: Any) -> None:
        if "id" in event:
            told.append((event["id"], event["event"]))
            worker.unwanted.add(stopped)

    no_more_commands: Any = iter(threading.Event().wait, True)
    worker = Worker(no_more_commands, tell)
    worker._obey(json.loads(json.dumps(command)))
    return told


def test_who_leaves_a_batch_is_told_at_once(drawing: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """It was told when the others were done, and a server that had waited too long ended them all."""
    told = worked(drawing(1, 2), stopped="1")
    assert told.count(("1", "stopped")) == 1
    assert told[-1] == ("2", "done")
    left = told.index(("1", "stopped"))
    assert ("2", "progress") in told[left:]
    assert not [event for id, event in told[left + 1 :] if id == "1"]
    assert not (tmp_path / "1").exists() or not list((tmp_path / "1").glob("*.png"))
    assert len(list((tmp_path / "2").glob("*.png"))) == 1


@pytest.mark.parametrize("ask", [ForecastAsk, TrainAsk])
@pytest.mark.parametrize(
    "text",
    [{"model": "/etc"}, {"model": "/nowhere"}, {"model": "minilm", "hub": True}],
    ids=["folder", "no folder", "hub"],
)
def test_settings_reach_no_folder_and_no_hub(ask: Any, text: dict[str, Any], tmp_path: Path) -> None:
    """Who might ask learnt which folders there are, and had models fetched."""
    setting = "text=" + json.dumps({"kind": "FrozenTextConfig", **text})
    more = {"name": "mine", "minutes": 1.0} if ask is TrainAsk else {}
    asked = ask(source="emoji", settings=(setting,), **more)
    with pytest.raises(ConfigError, match="no text encoder but its own, or minilm"):
        for _ in WORK[asked.kind](asked.model_dump(exclude={"kind"}), tmp_path / "out"):
            pass
    assert not (tmp_path / "out").exists()


def test_nothing_is_told_of_where_things_lie(tmp_path: Path) -> None:
    pets = tmp_path / "uploads" / "pets"
    pets.mkdir(parents=True)
    told: list[str] = []
    request = {"source": str(pets), "size": 16, "captions": "auto"}
    job = {"id": "a", "kind": "inspect", "request": request, "out": str(tmp_path / "a" / "out")}
    task = Task(job, lambda event: told.append(json.dumps(event)))
    while task.advance():
        pass
    assert "pets" in "".join(told)
    assert str(tmp_path) not in "".join(told)
