"""One loop for every stage, as a generator of reports.

The consumer prints, plots, streams or stops: leaving the loop saves a checkpoint first, and running the same
call again goes on from there, exactly as if nothing had happened.
"""

import copy
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor, nn

from rhinoise.core.backend import Precision, is_exhausted
from rhinoise.core.errors import ConfigError, PlanError, UnknownNameError
from rhinoise.training import checkpoint
from rhinoise.training.batches import Batches, in_parts
from rhinoise.training.ema import WIDEST, Ema
from rhinoise.training.engine import Compiler, Engine
from rhinoise.training.optimizers import OPTIMIZERS
from rhinoise.training.recovery import (
    MOST,
    SLOWER,
    Diverged,
    Exhausted,
    Rollback,
    Watch,
    anchors_every,
    anchors_kept,
    safe_step,
)

WARM_UP, TIMED = 2, 6
"""Steps of the trial that measures a step's time: the first are slower, memory being allocated."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How one stage is trained. Fractions are of the stage's steps."""

    batch: int
    """Pictures per step."""
    learning_rate: float
    warmup: float = 0.03
    """Fraction over which the learning rate climbs to its value, linearly."""
    decay: float = 0.4
    """Last fraction, over which the learning rate falls to zero, linearly."""
    optimizer: str = "adamw"
    """A name in OPTIMIZERS."""
    weight_decay: float = 0.01
    clip: float = 1.0
    """Largest norm of the gradient; a longer one is shortened to it."""
    ema_width: float = 0.05
    """Standard deviation of the weights' average, as a fraction of the training."""
    precision: Precision = "auto"
    compiler: Compiler = "none"
    """What compiles the steps, for a GPU ("inductor"): on two cores a minute of waiting gained a sixth."""
    checkpoint_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"a batch holds at least one picture, not {self.batch}")
        if self.learning_rate <= 0:
            raise ConfigError(f"a learning rate is above 0, not {self.learning_rate:g}")
        if not 0 < self.ema_width <= WIDEST:
            raise ConfigError(f"ema_width is above 0 and at most {WIDEST:g}, not {self.ema_width:g}")
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", self.optimizer, OPTIMIZERS)


@dataclass(frozen=True)
class Report:
    """What one step gave. `seconds` is training time since step 0, over all sessions."""

    step: int
    images: int
    losses: dict[str, float]
    learning_rate: float
    gradient_norm: float
    seconds: float


def learning_rate(config: FitConfig, step: int, steps: int) -> float:
    """Warm-up, plateau, linear decay to zero (Zhai et al. 2022; Hägele et al. 2024); `step` counts from 0."""
    rising = (step + 1) / max(1.0, config.warmup * steps)
    falling = (steps - step) / max(1.0, config.decay * steps)
    return config.learning_rate * min(1.0, rising, falling)


class Fit:
    """A task on its way: its engine, its average, where it stands. `run` is the loop."""

    def __init__(
        self,
        task: nn.Module,
        batches: Batches,
        config: FitConfig,
        *,
        steps: int,
        folder: Path | None = None,
        part: int | None = None,
    ) -> None:
        """Take up the newest checkpoint in `folder`, or start; without a folder nothing is saved.

        A batch is learnt from in parts of at most `part` pictures; None is all of it at once.
        """
        self.config, self.batches, self.steps, self.folder = config, batches, steps, folder
        self.engine = Engine(
            task,
            optimizer=config.optimizer,
            weight_decay=config.weight_decay,
            clip=config.clip,
            precision=config.precision,
            compiler=config.compiler,
        )
        self.part = batches.size if part is None else part
        self.ema = Ema(self.engine.trained, config.ema_width)
        self.step, self.seconds = 0, 0.0
        self.watch, self.rollbacks = Watch(), list[Rollback]()
        if folder is not None:
            self._resume(folder)

    def run(self) -> Generator[Report, None, None]:
        """Train to the end, a report after each step; leaving early saves first.

        Diverged when the loss is no longer a number, or climbs: `go_back`, and it can be run again. Exhausted
        when memory is: what was saved can be taken up in smaller parts.
        """
        saved, started = time.monotonic(), time.monotonic() - self.seconds
        if self.step == 0:
            self.save()  # something to go back to
        try:
            while self.step < self.steps:
                rate = learning_rate(self.config, self.step, self.steps) * SLOWER ** len(self.rollbacks)
                batch = in_parts(self.batches.at(self.step), self.batches.size, self.part)
                try:
                    losses, norm = self.engine.step(batch, rate)
                except (RuntimeError, MemoryError) as error:
                    if is_exhausted(error):
                        raise Exhausted(self.step + 1) from error
                    raise
                values = {name: float(value) for name, value in losses.items()}
                if complaint := self.watch.complaint(values, float(norm), self.step + 1):
                    raise Diverged(complaint, self.config.learning_rate)
                self.step += 1
                self.ema.update(self.engine.trained, self.step)
                self.seconds = time.monotonic() - started
                yield Report(
                    step=self.step,
                    images=self.step * self.batches.size,
                    losses=values,
                    learning_rate=rate,
                    gradient_norm=float(norm),
                    seconds=self.seconds,
                )
                due = time.monotonic() - saved > self.config.checkpoint_seconds
                if due or self.step % anchors_every(self.steps) == 0:
                    self.save()
                    saved = time.monotonic()
        except GeneratorExit:
            self.save()
            raise
        self.save()

    def save(self) -> None:
        """Write a checkpoint of where the training stands."""
        if self.folder is None:
            return
        tensors = (
            checkpoint.prefixed("weights", self.engine.trained)
            | checkpoint.prefixed("average", self.ema.average)
            | checkpoint.prefixed("optimizer", self.engine.optimizer_state())
        )
        facts = {
            "seconds": self.seconds,
            "steps": self.steps,
            "watch": self.watch.memory(),
            "rollbacks": [asdict(rollback) for rollback in self.rollbacks],
        }
        checkpoint.save(self.folder, self.step, tensors, facts, keep=anchors_kept(self.step, self.steps))

    def go_back(self, trouble: Diverged) -> None:
        """Take up the last safe checkpoint again, the learning rate halved from there on.

        Killed half-way, the training comes to the same trouble again. PlanError when there is no folder, or
        going back has not helped before.
        """
        if self.folder is None:
            raise trouble
        if len(self.rollbacks) == MOST:
            raise PlanError(
                f"{trouble.why}, and going back {MOST} times with half the learning rate has not helped: "
                f"start again with a lower one (it was {self.config.learning_rate:g})"
            ) from trouble
        to = safe_step(self.step + 1, self.steps, checkpoint.steps(self.folder))
        rollbacks = [*self.rollbacks, Rollback(step=self.step + 1, to=to, why=trouble.why)]
        seconds = self.seconds
        checkpoint.remove_after(self.folder, to)
        self._resume(self.folder)
        self.rollbacks, self.seconds = rollbacks, seconds
        self.save()

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights, by name in the task: what is kept as the model."""
        return self.ema.average

    def _resume(self, folder: Path) -> None:
        found = checkpoint.load(folder)
        if found is None:
            return
        tensors, facts = found
        self.engine.module.load_state_dict(checkpoint.under("weights", tensors), strict=False)
        self.ema.load(checkpoint.under("average", tensors))
        self.engine.load_optimizer_state(checkpoint.under("optimizer", tensors))
        self.step, self.seconds = facts["step"], facts["seconds"]
        if "watch" in facts:  # those of earlier versions have none
            self.watch.remember(facts["watch"])
            self.rollbacks = [Rollback(**rollback) for rollback in facts["rollbacks"]]


def seconds_per_step(
    task: nn.Module, batches: Batches, config: FitConfig, *, part: int | None = None
) -> float:
    """How long a step takes here, from a few that are then forgotten; the task itself is not changed."""
    trial = Fit(copy.deepcopy(task), batches, config, steps=WARM_UP + TIMED, part=part)
    times = [report.seconds for report in trial.run()]
    return (times[-1] - times[WARM_UP - 1]) / TIMED
