"""Chapters of what a training did: its stages and their cost, and what it drew on the way."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rhinoise.explain.report import Block, Chapter, Command, Sheet, Table, Words, left_out

WORK = {
    "autoencoder": "learns to keep a picture in few numbers, and to draw it again from them",
    "text": "learns which captions belong to which pictures",
    "denoiser": "learns to take noise away, step by step, while it is told a caption",
    "low-rank": "learns the same by changing the model it started from as little as can be",
    "few_steps": "learns to draw in a few steps what the model draws in many",
}
"""Stage => what it does."""


# --- the plan


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """A stage of a training, and how far it came."""

    name: str
    steps: int
    planned: int | None
    """Steps; None where the plan does not say."""
    pictures: int
    """Seen, the same one again counted again."""
    seconds: float

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was asked for, and what it took."""

    stages: Sequence[StageTime]
    seconds: float | None
    """All together, looking at the model on the way included."""
    minutes: float | None
    """The budget, where it was one in minutes."""
    finished: bool
    command: str | None


def plan_chapter(plan: Plan) -> Chapter:
    """Stages, steps, minutes, pictures a second."""
    about = (
        "A training is a long row of small steps. In each the model guesses, is shown the truth, and is "
        "changed a little, so that its next guess is better."
    )
    if not plan.stages:
        return left_out("plan", "The plan and its cost", about, "There is no log of this training.")
    blocks: list[Block] = [Words(_cost(plan))]
    rows = [
        [
            stage.name,
            f"{stage.steps:,}" + (f" of {stage.planned:,}" if stage.planned else ""),
            f"{stage.pictures:,}",
            _minutes(stage.seconds),
            f"{stage.rate:,.0f}" if stage.rate >= 10 else f"{stage.rate:.1f}",
            WORK.get(stage.name, ""),
        ]
        for stage in plan.stages
    ]
    blocks.append(
        Table(["stage", "steps", "pictures seen", "time", "pictures a second", "what it did"], rows)
    )
    if plan.command:
        blocks += [Words("The command that trains it again:"), Command(plan.command)]
    return Chapter(
        name="plan",
        title="The plan and its cost",
        about=about,
        blocks=blocks,
        numbers={
            "finished": plan.finished,
            "seconds": plan.seconds,
            "budget_minutes": plan.minutes,
            "command": plan.command,
            "stages": [asdict(stage) | {"pictures_per_second": stage.rate} for stage in plan.stages],
        },
    )


def _cost(plan: Plan) -> str:
    longest = max(plan.stages, key=lambda stage: stage.seconds)
    total = plan.seconds or sum(stage.seconds for stage in plan.stages)
    budget = f", where {plan.minutes:g} minutes were asked for" if plan.minutes else ""
    ending = "" if plan.finished else " It was stopped before its end; the same command goes on from there."
    return (
        f"It took {_minutes(total)}{budget}. Most of that, {_minutes(longest.seconds)}, went to the stage "
        f"“{longest.name}”, which looked at {longest.pictures:,} pictures, many again and again.{ending}"
    )


def _minutes(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


# --- pictures on the way


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was drawn at one moment of the training, on one sheet."""

    step: int
    uri: str


def samples_chapter(samples: Sequence[Sample], few_steps: tuple[str, int] | None) -> Chapter:
    """The same captions, drawn again and again; `few_steps`: a sheet of the quick model, and its steps."""
    about = (
        "The same captions, drawn at several moments of the training and always from the same noise, so that "
        "every difference is what was learnt in between. In the upper row are captions that were learnt, "
        "in the lower row captions that were not."
    )
    if not samples:
        why = "Nothing was drawn so far: the first pictures come after a fifth of the denoiser’s training."
        return left_out("samples", "What it drew on the way", about, why)
    blocks: list[Block] = [
        Sheet(one.uri, f"pictures drawn at step {one.step}", _moment(one.step, samples)) for one in samples
    ]
    if few_steps is not None:
        blocks.append(
            Sheet(
                few_steps[0],
                "pictures of the model for few steps beside the model's",
                f"A second model was made from it, which draws in {few_steps[1]} steps. From above: what the "
                "model draws in its own time, what it draws when it is hurried, and what the second one "
                "makes of the same noise as quickly.",
            )
        )
    return Chapter(
        name="samples",
        title="What it drew on the way",
        about=about,
        blocks=blocks,
        numbers={"steps": [one.step for one in samples]},
    )


def _moment(step: int, samples: Sequence[Sample]) -> str:
    last = samples[-1].step
    share = f"{step / last:.0%} of the way" if last else "before training"
    return f"After {step:,} steps, {share}." if step != last else f"After {step:,} steps, the last look."
