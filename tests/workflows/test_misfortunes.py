"""What may go wrong in the midst of a stage: a loss that diverges, memory that runs out, a GPU that stops."""

import json
import math
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from random import Random  # noqa: F401, for the child
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rhinoise.core.errors import DeviceError, PlanError
from rhinoise.recipes import Recipe
from rhinoise.storage.run_folder import RunFolder
from rhinoise.training import memory
from rhinoise.training.fit import FitConfig
from rhinoise.training.recovery import MOST
from rhinoise.workflows.events import Said
from rhinoise.workflows.stages.stage import Clock, Stage, run_stage
from rhinoise.workflows.train import TrainRequest, train

STAGE = "rhinoise.workflows.stages.stage"
BATCH, PICTURES = 4, 720
CONFIG = FitConfig(
    batch=BATCH, learning_rate=0.01, weight_decay=0.0, precision="fp32", checkpoint_seconds=1e9
)


class Cliff(nn.Module):
    """A loss that falls as its weight grows, by one learning rate a step; beyond 1.1 it is another one."""

    def __init__(self, beyond: float = 1.0) -> None:
        super().__init__()
        self.weight, self.beyond = nn.Parameter(torch.zeros(())), beyond
        self.seen, self.errors = 0, dict[int, Exception]()

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        self.seen += 1
        if self.seen in self.errors:
            raise self.errors[self.seen]
        loss = (2 - self.weight) * (batch.mean() * 0 + 1)
        return {"loss": loss * (1.0 if self.weight < 1.1 else self.beyond)}


class Ramp:
    size = BATCH

    def at(self, step: int) -> Tensor:
        return torch.arange(float(BATCH)) + step


def told(run: Path, task: nn.Module, **changes: Any) -> list[str]:
    """Train the stage to its end => what was said."""
    folder = RunFolder(run)
    run.mkdir(exist_ok=True)

    def look(average: Any, step: int) -> Any:
        yield Said(f"look {step}")
        return {"weight": float(average["weight"])}

    settings = {
        "name": "stage",
        "task": task,
        "batches": lambda steps: Ramp(),
        "config": CONFIG,
        "images": PICTURES,
        "seconds": lambda: 0.0,
        "glances": 6,
        "look": look,
    }
    stage = Stage(**(settings | changes))
    return [event.text for event in run_stage(folder, Clock(folder), stage) if isinstance(event, Said)]


def happened(run: Path) -> list[dict[str, object]]:
    return [
        {name: value for name, value in entry.items() if name != "seconds"}
        for entry in RunFolder(run).entries()
    ]


def done(run: Path) -> bytes:
    return (run / "state" / "stage" / "done.safetensors").read_bytes()


def steps(run: Path, stage: str = "stage") -> list[int]:
    return [entry["step"] for entry in happened(run) if entry["stage"] == stage]  # type: ignore[misc]


@pytest.mark.parametrize("beyond", [math.nan, 9.0])
def test_a_diverging_stage_goes_back_and_says_so(tmp_path: Path, beyond: float) -> None:
    said = told(tmp_path / "run", Cliff(beyond))
    [back] = [text for text in said if "back to step" in text]
    why = "the loss is nan" if math.isnan(beyond) else r"the loss has climbed from \d\.\d+ to \d\.\d+"
    assert re.fullmatch(
        rf"stage: {why} at step \d+: back to step \d+, from there on with half the learning rate", back
    )
    [entry] = [entry for entry in happened(tmp_path / "run") if entry["stage"] == "went back"]
    assert f"back to step {entry['to']}," in back
    assert entry["of"] == "stage"
    # The log is that of a training that knew it all along.
    assert steps(tmp_path / "run") == list(range(1, 181))
    assert steps(tmp_path / "run", "held out") == [30, 60, 90, 120, 150, 180]


def test_what_goes_back_again_and_again_is_refused_in_a_sentence(tmp_path: Path) -> None:
    faster = replace(CONFIG, learning_rate=1.0)
    for _ in range(2):  # the same command again comes to the same end
        with pytest.raises(
            PlanError, match=r"the loss is nan at step \d+, and going back 3 times .* lower one"
        ):
            told(tmp_path / "run", Cliff(math.nan), config=faster)
    assert len(steps(tmp_path / "run", "went back")) == MOST


KILLED = textwrap.dedent("""
    import importlib.util, os, signal, sys
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("misfortunes", sys.argv[1])
    here = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(here)
    here.torch.set_num_threads(1)
    run, seen, fatal = sys.argv[2] + " alone", 0, 0


    def watch(event, arguments):
        # Python tells of every file that is opened, renamed or removed, before it happens.
        global seen
        if event in ("open", "os.rename", "os.remove", "os.mkdir") and run in str(arguments[0]):
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)


    def train():
        # A checkpoint each step: what is opened does not hang on the clock.
        here.told(Path(run), here.Cliff(9.0), config=here.replace(here.CONFIG, checkpoint_seconds=0.0))


    sys.addaudithook(watch)
    train()
    events, run, seen = seen, sys.argv[2], 0
    chance, kills = here.Random(0), 0
    while True:
        fatal = chance.randint(1, events // 5)
        pid = os.fork()
        if not pid:
            train()
            os._exit(0)
        if os.waitpid(pid, 0)[1] == 0:
            break
        kills += 1
    print(kills)
    """)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_any_moment_it_goes_back_exactly(tmp_path: Path) -> None:
    told(tmp_path / "calm", Cliff(9.0))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, __file__, str(tmp_path / "killed")],
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    assert int(killed.stdout) >= 4
    assert happened(tmp_path / "killed") == happened(tmp_path / "calm")
    assert done(tmp_path / "killed") == done(tmp_path / "calm")


def failing(at: int, error: Exception, beyond: float = 1.0) -> Cliff:
    task = Cliff(beyond)
    task.errors[at] = error
    return task


LOST = (
    torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be ..."),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
)


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_a_gpu_that_stops_ends_it_in_a_sentence_and_it_goes_on(tmp_path: Path, error: Exception) -> None:
    told(tmp_path / "calm", Cliff())
    RunFolder(tmp_path / "run").root.mkdir()
    RunFolder(tmp_path / "run").note("stage pictures at a time", BATCH)
    with pytest.raises(DeviceError) as refused:
        told(tmp_path / "run", failing(100, error))
    first = str(error).splitlines()[0]
    assert str(refused.value) == (
        f"the GPU stopped working ({first}): the stage is kept up to step 64 of 180, and the same command "
        "goes on from there, without a GPU too"
    )
    assert told(tmp_path / "run", Cliff())[0] == "stage: going on after step 64 of 180"
    assert happened(tmp_path / "run") == happened(tmp_path / "calm")
    assert done(tmp_path / "run") == done(tmp_path / "calm")


def test_other_errors_keep_their_traceback(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").root.mkdir()
    RunFolder(tmp_path / "run").note("stage pictures at a time", BATCH)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        told(tmp_path / "run", failing(3, RuntimeError("mat1 and mat2 shapes cannot be multiplied")))


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_where_memory_runs_out_it_goes_on_in_smaller_parts(tmp_path: Path) -> None:
    told(tmp_path / "calm", Cliff())
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    run.note("stage pictures at a time", BATCH)
    said = told(run.root, failing(100, FULL))
    assert said[3:5] == [
        "stage: memory ran out; going on in parts of 2 pictures",
        "stage: going on after step 64 of 180",
    ]
    assert run.plan()["stage pictures at a time"] == 2
    assert steps(run.root) == steps(tmp_path / "calm")
    assert done(run.root) == done(tmp_path / "calm")  # sums of equal numbers round alike


def test_nothing_stays_of_the_gradient_that_memory_ran_out_in(tmp_path: Path) -> None:
    """The first part of a step had been learnt from when the second one failed: the next step had both."""
    unclipped = replace(CONFIG, clip=10.0)
    told(tmp_path / "calm", Cliff(), config=unclipped)
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    run.note("stage pictures at a time", 2)
    assert "stage: memory ran out; going on in parts of 1 pictures" in told(
        run.root, failing(100, FULL), config=unclipped
    )
    assert done(run.root) == done(tmp_path / "calm")


@pytest.mark.parametrize("changes", [{"separable": False}, {"part": 1}], ids=str)
def test_or_ends_in_a_sentence_where_there_are_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    run.note("stage pictures at a time", changes.pop("part", BATCH))
    with pytest.raises(DeviceError, match=r"^memory ran out at step \d+: close other programs, and the same"):
        told(run.root, failing(100, FULL), **changes)


def test_a_batch_that_does_not_fit_is_learnt_from_in_parts(
    pictures: Path, tmp_path: Path, stock: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(stock, text_training="joint", images=24)
    trainings = {}
    for name, fits in (("whole", 8), ("parts", 3)):
        monkeypatch.setattr(f"{STAGE}.fitting", lambda task, batches, config, n=fits: n)
        request = TrainRequest(source=str(pictures), out=tmp_path / name, recipe=recipe)
        trainings[name] = [event.text for event in train(request) if isinstance(event, Said)]
    remark = (
        "the free memory does not hold a batch of 8 pictures, so each step learns from it in parts of 3: the "
        "same training, but slower"
    )
    assert [text for text in trainings["parts"] if "parts" in text] == [
        f"{stage}: {remark}" for stage in ("autoencoder", "denoiser")
    ]
    assert not [text for text in trainings["whole"] if "parts" in text]
    whole, parts = (
        [entry["losses"]["loss"] for entry in RunFolder(tmp_path / name).entries() if "losses" in entry]
        for name in trainings
    )
    assert parts == pytest.approx(whole, rel=0.02)  # bf16 where there is one
    assert parts != whole


def test_what_learns_from_a_batch_as_a_whole_is_refused_before_anything_is_trained(
    pictures: Path, tmp_path: Path, lean: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{STAGE}.fitting", lambda task, batches, config: 3)
    with pytest.raises(PlanError) as refused:
        list(train(TrainRequest(source=str(pictures), out=tmp_path / "run", recipe=lean)))
    assert str(refused.value) == (
        "the text learns from all 8 pictures of a batch together, and the free memory holds 3: close other "
        "programs, or --set fit_text.batch=3"
    )
    smaller = replace(lean, images=16, fit_text=replace(lean.fit_text, batch=3))
    list(train(TrainRequest(source=str(pictures), out=tmp_path / "run", recipe=smaller)))


def test_no_room_for_a_single_picture_is_refused_in_a_sentence(
    pictures: Path, tmp_path: Path, lean: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 2**10)
    with pytest.raises(
        PlanError, match=r"^the free memory does not hold .* single picture: close other prog"
    ):
        list(train(TrainRequest(source=str(pictures), out=tmp_path / "run", recipe=lean)))
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert not [name for name in plan if name.endswith("steps")]


def test_what_the_machine_is_slow_at_is_said_once(
    pictures: Path, tmp_path: Path, lean: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    request = TrainRequest(source=str(pictures), out=tmp_path / "run", recipe=replace(lean, images=16))
    said = [event.text for event in train(request) if isinstance(event, Said)]
    if torch.accelerator.is_available():
        pytest.skip("this machine computes on a GPU")
    assert [text for text in said if "bf16" in text] == [
        "this processor has no fast bf16: computing in fp32, which takes longer"
    ]
