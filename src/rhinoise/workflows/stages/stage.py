"""One stage of a training: planned once, run to its end, its averaged weights kept.

A stage that is done is read back; one that was interrupted goes on from its newest checkpoint.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rhinoise.core.backend import is_lost
from rhinoise.core.errors import DeviceError, PlanError, RunFolderError
from rhinoise.core.files import replacing
from rhinoise.storage.run_folder import STEPS, RunFolder
from rhinoise.training import checkpoint
from rhinoise.training.batches import Batches
from rhinoise.training.fit import Fit, FitConfig, seconds_per_step
from rhinoise.training.memory import LAST, even, fitting
from rhinoise.training.recovery import Diverged, Exhausted
from rhinoise.workflows.events import Event, Progress, Said
from rhinoise.workflows.stages.plan import steps_for

DONE = "done.safetensors"
HELD_OUT = "held out"
"""What the log calls the records of looks, where a stage does not say otherwise."""
WENT_BACK = "went back"
"""What it calls those of rollbacks."""
PART = " pictures at a time"
"""What the names of decided parts of a batch end with in the plan."""
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
    separable: bool = True
    """Whether its loss is a mean over the pictures of a batch, so that these can be learnt from in parts."""
    held_out: str = HELD_OUT
    """What the log calls the records of its looks."""
    look: Callable[[Mapping[str, Tensor], int], Generator[Event, None, dict[str, Any]]] | None = None
    """(averaged weights, step) => what there is to tell, and in the end what to log as held out."""


def run_stage(run: RunFolder, clock: Clock, stage: Stage) -> Generator[Event, None, None]:
    """Train the stage, or what is left of it; afterwards its task holds the averaged weights."""
    folder = run.state(stage.name)
    done = folder / DONE
    if not done.is_file():
        part = yield from pictures_at_a_time(run, stage)
        steps = run.recall(stage.name + STEPS, lambda: _plan(stage, part))
        clock.keep()
        fit = yield from _trained(run, clock, stage, steps, part)
        with replacing(done) as temporary:
            save_file({name: value.contiguous() for name, value in fit.averaged().items()}, temporary)
    checkpoint.remove_all(folder)
    try:
        stage.task.load_state_dict(load_file(done), strict=False)
    except SafetensorError as error:
        raise RunFolderError(f"{done} is damaged ({error}): train again into another --out") from error
    stage.task.to("cpu").eval()


def pictures_at_a_time(run: RunFolder, stage: Stage) -> Generator[Event, None, int]:
    """How much of a batch is learnt from at once: tried once and kept, for other parts round otherwise.

    PlanError when nothing fits, or when the batch can not be learnt from in parts.
    """
    batch, known = stage.config.batch, run.plan().get(stage.name + PART)
    if known is not None or (run.state(stage.name) / DONE).is_file():
        return known or batch
    part = fitting(stage.task, stage.batches(LAST + 1), stage.config)
    if not part:
        raise PlanError(
            f"the free memory does not hold the {stage.name}'s training on a single picture: close other "
            "programs, or take a smaller --size or smaller networks"
        )
    if part < batch and not stage.separable:
        raise PlanError(
            f"the {stage.name} learns from all {batch} pictures of a batch together, and the free memory "
            f"holds {part}: close other programs, or --set fit_{stage.name}.batch={part}"
        )
    part = even(part, batch)
    run.note(stage.name + PART, part)
    if part < batch:
        yield Said(
            f"{stage.name}: the free memory does not hold a batch of {batch} pictures, so each step learns "
            f"from it in parts of {part}: the same training, but slower"
        )
    return part


def _plan(stage: Stage, part: int) -> int:
    """The stage's number of steps, from its budget."""
    if stage.images is not None:
        return math.ceil(stage.images / stage.config.batch)
    each = seconds_per_step(stage.task, stage.batches(100), stage.config, part=part)
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


def _trained(
    run: RunFolder, clock: Clock, stage: Stage, steps: int, part: int
) -> Generator[Event, None, Fit]:
    """Train to the end; where memory runs out on the way, from the last checkpoint on in smaller parts.

    DeviceError when that does not help, or when the GPU stops working.
    """
    folder = run.state(stage.name)
    while True:
        fit = Fit(stage.task, stage.batches(steps), stage.config, steps=steps, folder=folder, part=part)
        if fit.step:
            yield Said(f"{stage.name}: going on after step {fit.step} of {steps}")
        run.rewind(stage.name, fit.step)
        yield from _tell_rollbacks(run, stage, fit)
        try:
            yield from _to_the_end(run, clock, stage, fit)
            return fit
        except Exhausted:
            if part == 1 or not stage.separable:
                raise
        except RuntimeError as error:
            if not is_lost(error):
                raise
            kept = max(checkpoint.steps(folder), default=0)
            raise DeviceError(
                f"the GPU stopped working ({str(error).splitlines()[0]}): the {stage.name} is kept up to "
                f"step {kept} of {steps}, and the same command goes on from there, without a GPU too"
            ) from error
        finally:
            clock.keep()
        part = even(part // 2, stage.config.batch)
        run.note(stage.name + PART, part)
        yield Said(f"{stage.name}: memory ran out; going on in parts of {part} pictures")


def _to_the_end(run: RunFolder, clock: Clock, stage: Stage, fit: Fit) -> Iterator[Event]:
    """Every step, and back where the loss diverges."""
    while True:
        try:
            yield from _steps(run, clock, stage, fit)
            return
        except Diverged as trouble:
            fit.go_back(trouble)
        run.rewind(stage.name, fit.step)
        yield from _tell_rollbacks(run, stage, fit)


def _tell_rollbacks(run: RunFolder, stage: Stage, fit: Fit) -> Iterator[Event]:
    """Log and say each time that the stage went back, unless the log has it: a kill may have come between."""
    logged = sum(entry["stage"] == WENT_BACK and entry["of"] == stage.name for entry in run.entries())
    for rollback in fit.rollbacks[logged:]:
        run.append({"stage": WENT_BACK, "of": stage.name} | asdict(rollback))
        yield Said(f"{stage.name}: {rollback}")


def _steps(run: RunFolder, clock: Clock, stage: Stage, fit: Fit) -> Iterator[Event]:
    glances = {math.ceil(fit.steps * (i + 1) / stage.glances) for i in range(stage.glances)}
    if fit.step in glances and not run.has(stage.held_out, fit.step):
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
    run.append({"stage": stage.held_out, "step": fit.step} | found)


def _record(report: Any) -> dict[str, Any]:
    return {
        "step": report.step,
        "images": report.images,
        "losses": report.losses,
        "learning_rate": report.learning_rate,
        "gradient_norm": report.gradient_norm,
        "seconds": round(report.seconds, 3),
    }
