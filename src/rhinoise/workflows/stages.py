"""One stage of a training: planned once, run to its end, its averaged weights kept.

A stage that is done is read back; one that was interrupted goes on from its newest checkpoint.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rhinoise.core.errors import RunFolderError
from rhinoise.core.files import replacing
from rhinoise.storage.run_folder import STEPS, RunFolder
from rhinoise.training.batches import Batches
from rhinoise.training.checkpoint import remove_all
from rhinoise.training.fit import Fit, FitConfig, seconds_per_step
from rhinoise.workflows.events import Event, Progress, Said
from rhinoise.workflows.plan import steps_for

DONE = "done.safetensors"
HELD_OUT = "held out"
"""What the log calls the records of looks."""
KEEP_SECONDS = 30.0
"""How often the clock is written down."""


class Clock:
    """Training time since the run began, over all its sessions, in seconds."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.kept = run.plan().get("seconds", 0.0)
        self.started = time.monotonic() - self.kept

    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self.started

    def tick(self) -> None:
        """Write it down now and then."""
        if self.seconds() - self.kept > KEEP_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Write it down: a session that is killed loses what came after."""
        self.kept = self.seconds()
        self.run.note("seconds", round(self.kept, 1))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is trained, on what, how, and for how long."""

    name: str
    task: nn.Module
    batches: Callable[[int], Batches]
    """Number of steps => batches."""
    config: FitConfig
    images: int | None
    """Its budget in pictures, or None when it is `seconds`."""
    seconds: Callable[[], float]
    glances: int = 0
    """How often `look` is called, the end included."""
    look: Callable[[Mapping[str, Tensor], int], Generator[Event, None, dict[str, Any]]] | None = None
    """(averaged weights, step) => what there is to tell, and in the end what to log as held out."""


def run_stage(run: RunFolder, clock: Clock, stage: Stage) -> Generator[Event, None, None]:
    """Train the stage, or what is left of it; afterwards its task holds the averaged weights."""
    folder = run.state(stage.name)
    done = folder / DONE
    if not done.is_file():
        steps = run.recall(stage.name + STEPS, lambda: _plan(stage))
        clock.keep()
        fit = Fit(stage.task, stage.batches(steps), stage.config, steps=steps, folder=folder)
        if fit.step:
            yield Said(f"{stage.name}: going on after step {fit.step} of {steps}")
        run.rewind(stage.name, fit.step)
        try:
            yield from _steps(run, clock, stage, fit)
        finally:
            clock.keep()
        with replacing(done) as temporary:
            save_file({name: value.contiguous() for name, value in fit.averaged().items()}, temporary)
    remove_all(folder)
    try:
        stage.task.load_state_dict(load_file(done), strict=False)
    except SafetensorError as error:
        raise RunFolderError(f"{done} is damaged ({error}): train again into another --out") from error
    stage.task.to("cpu").eval()


def _plan(stage: Stage) -> int:
    """The stage's number of steps, from its budget."""
    if stage.images is not None:
        return math.ceil(stage.images / stage.config.batch)
    each = seconds_per_step(stage.task, stage.batches(100), stage.config)
    looks = stage.glances * _seconds_per_look(stage)
    seconds = stage.seconds()
    # Looking is worth half of a short training at most.
    return steps_for(max(seconds - looks, seconds / 2), each, stage=stage.name)


def _seconds_per_look(stage: Stage) -> float:
    """How long a look takes here, from one at the untrained weights; its pictures are the first samples."""
    if stage.look is None:
        return 0.0
    began = time.monotonic()
    for _ in stage.look(dict(stage.task.named_parameters()), 0):
        pass
    return time.monotonic() - began


def _steps(run: RunFolder, clock: Clock, stage: Stage, fit: Fit) -> Iterator[Event]:
    glances = {math.ceil(fit.steps * (i + 1) / stage.glances) for i in range(stage.glances)}
    if fit.step in glances and not run.has(HELD_OUT, fit.step):
        yield from _look(run, stage, fit)  # it was left half-way
    began, first = time.monotonic(), fit.step
    running = fit.run()
    try:
        for report in running:
            run.append({"stage": stage.name} | _record(report))
            clock.tick()
            rate = (report.step - first) * stage.config.batch / max(time.monotonic() - began, 1e-9)
            numbers = {"loss": report.losses["loss"], "images/s": rate}
            yield Progress(stage=stage.name, done=report.step, total=fit.steps, numbers=numbers)
            if report.step in glances:
                pause = time.monotonic()
                yield from _look(run, stage, fit)
                began += time.monotonic() - pause
    finally:
        running.close()  # saves, when this was left early


def _look(run: RunFolder, stage: Stage, fit: Fit) -> Iterator[Event]:
    assert stage.look is not None
    found = yield from stage.look(fit.averaged(), fit.step)
    run.append({"stage": HELD_OUT, "step": fit.step} | found)


def _record(report: Any) -> dict[str, Any]:
    return {
        "step": report.step,
        "images": report.images,
        "losses": report.losses,
        "learning_rate": report.learning_rate,
        "gradient_norm": report.gradient_norm,
        "seconds": round(report.seconds, 3),
    }
