"""A training that was killed at any moment goes on as if nothing had happened.

A child process trains; it is killed with SIGKILL, and the same call is made again, until one comes to its
end. What it logged and what it made are compared, bit for bit, with a training that was left alone.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from rhinoise.core.config import to_json
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.events import Event, Progress, Said, Wrote
from rhinoise.workflows.train import TrainRequest, train

FORKING = textwrap.dedent("""
    # Imports once; then every line of the input is a training, in a process of its own if it may be killed.
    import json, os, signal, sys, traceback
    from pathlib import Path

    import torch

    from rhinoise.core.config import from_json
    from rhinoise.recipes import Recipe
    from rhinoise.workflows.train import TrainRequest, train

    torch.set_num_threads(1)
    folder, seen, fatal = None, 0, 0


    def watch(event, arguments):
        # Python tells of every file that is opened, renamed or removed, before it happens.
        global seen
        if folder and event in ("open", "os.rename", "os.remove", "os.mkdir") and folder in str(arguments[0]):
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)


    def run(source, recipe):
        os.environ["RHINOISE_CACHE"] = str(Path(folder, "cache"))
        request = TrainRequest(source=source, out=Path(folder, "run"), recipe=from_json(Recipe, recipe))
        for _ in train(request):
            pass


    def child(*asked):
        try:
            run(*asked)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)


    sys.addaudithook(watch)
    print("ready", flush=True)
    for line in sys.stdin:
        folder, fatal, alone, *asked = json.loads(line)
        seen = 0
        if alone:
            run(*asked)
            print(seen, flush=True)
            continue
        pid = os.fork() or child(*asked)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)
    """)

MODES = {"contrastive": 0, "joint": 1}
OPTIMIZER = {"contrastive": "adamw", "joint": "muon"}


class Trainer:
    """The forking process, asked for one training at a time."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self.log = process, log
        assert self.answer() == "ready"

    def answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, self.log.read_text()
        return line

    def ask(self, source: Path, folder: Path, recipe: Recipe, *, fatal: int = 0, alone: bool = False) -> int:
        folder.mkdir(exist_ok=True)
        assert self.process.stdin is not None
        request = [str(folder), fatal, alone, str(source), to_json(recipe)]
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return int(self.answer())

    def finishes(self, source: Path, folder: Path, recipe: Recipe, chance: Random, events: int) -> bool:
        """Train in `folder` and kill it: before one of its next file operations, or some time later.

        A third of them is enough to begin and to take one look, which writes a whole model.
        """
        by_the_clock = chance.random() < 0.3
        pid = self.ask(source, folder, recipe, fatal=0 if by_the_clock else chance.randint(1, events // 3))
        if by_the_clock:
            time.sleep(chance.uniform(0, 0.8))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        status = int(self.answer())
        assert status in (0, signal.SIGKILL), self.log.read_text()
        return status == 0


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    log = tmp_path_factory.mktemp("trainer") / "log"
    command, one_thread = [sys.executable, "-c", FORKING], os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": one_thread}
    with log.open("w") as errors, subprocess.Popen(command, stderr=errors, **pipes) as process:
        yield Trainer(process, log)


def happened(run: Path) -> list[dict[str, object]]:
    """The log without clock times."""
    return [
        {name: value for name, value in entry.items() if name != "seconds"}
        for entry in RunFolder(run).entries()
    ]


def made(run: Path) -> dict[str, bytes]:
    """The model and what each stage left, byte by byte."""
    files = [*(run / "model").rglob("*"), *(run / "state").rglob("*")]
    return {str(file.relative_to(run)): file.read_bytes() for file in files if file.is_file()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("mode", MODES)
def test_killed_at_any_moment_it_goes_on_exactly(
    trainer: Trainer, pictures: Path, tmp_path: Path, lean: Recipe, mode: str
) -> None:
    denoising = replace(lean.fit_denoiser, optimizer=OPTIMIZER[mode])
    recipe = replace(lean, text_training=mode, fit_denoiser=denoising)
    chance, kills = Random(MODES[mode]), 0
    events = trainer.ask(pictures, tmp_path / "calm", recipe, alone=True)
    while not trainer.finishes(pictures, tmp_path / "killed", recipe, chance, events):
        kills += 1
    calm, killed = tmp_path / "calm" / "run", tmp_path / "killed" / "run"
    assert kills >= 4
    assert happened(killed) == happened(calm)
    assert made(killed) == made(calm)
    assert not [*killed.rglob(".*")]


def left_at(events: Generator[Event, None, None], number: int) -> Event | None:
    """The event of this number, after which the loop is left; None when there are not so many."""
    with contextlib.closing(events):
        return next(itertools.islice(events, number, None), None)


@pytest.mark.parametrize("mode", MODES)
def test_left_early_it_goes_on_exactly(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lean: Recipe, mode: str
) -> None:
    """Leaving the loop saves at the step it is at; no checkpoint is due by the clock."""
    never = replace(lean.fit_denoiser, checkpoint_seconds=1e9)
    recipe = replace(lean, text_training=mode, fit_autoencoder=never, fit_text=never, fit_denoiser=never)

    def training(name: str) -> Generator[Event, None, None]:
        monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path / f"{name} cache"))
        return train(TrainRequest(source=str(pictures), out=tmp_path / name, recipe=recipe))

    total = sum(1 for _ in training("calm"))
    chance, left = Random(MODES[mode]), 0
    while (last := left_at(training("left"), chance.randint(5, total // 2))) is not None:
        left += 1
        if isinstance(last, Progress) and last.stage != "pictures":
            assert RunFolder(tmp_path / "left").has(last.stage, last.done)
            assert (tmp_path / "left" / "state" / last.stage / f"{last.done:08}.safetensors").is_file()
    assert left >= 3
    assert happened(tmp_path / "left") == happened(tmp_path / "calm")
    assert made(tmp_path / "left") == made(tmp_path / "calm")


@pytest.mark.parametrize("further", [0, 1, 2])
def test_a_last_look_that_was_left_is_taken_again(
    pictures: Path, tmp_path: Path, lean: Recipe, further: int
) -> None:
    """Left between the last step and its look, a training was done without its model of that step."""
    recipe = replace(lean, images=16, fit_denoiser=replace(lean.fit_denoiser, checkpoint_seconds=1e9))
    calm, left = (TrainRequest(source=str(pictures), out=tmp_path / name, recipe=recipe) for name in "ab")
    list(train(calm))
    with contextlib.closing(train(left)) as events:
        steps = (event for event in events if isinstance(event, Progress) and event.stage == "denoiser")
        assert next(itertools.islice(steps, 1, None)).done == 2
        seen = list(itertools.islice(events, further))
    assert [type(event) for event in seen] == [Said, Wrote][:further]
    assert not RunFolder(left.out).has("held out", 2)
    list(train(left))
    assert happened(left.out) == happened(calm.out)
    assert made(left.out) == made(calm.out)
