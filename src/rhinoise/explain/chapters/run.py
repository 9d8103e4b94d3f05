"""Chapters that a run's own records tell, without its model: they cost next to nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rhinoise.data.doctor import DataReport
from rhinoise.explain.advice import Advice
from rhinoise.explain.pages.page import svg
from rhinoise.explain.plots.losses import HELD_OUT_OF, LOSSES, loss_figure
from rhinoise.explain.report import (
    Block,
    Chapter,
    Command,
    Drawing,
    Drawings,
    Gallery,
    Heading,
    Missing,
    Sheet,
    Table,
    Words,
    left_out,
)

POINTS = 240
"""Of a loss curve: each is the mean of what lies between two of them."""
WORK = {
    "autoencoder": "learns to keep a picture in few numbers, and to draw it again from them",
    "text": "learns which captions belong to which pictures",
    "denoiser": "learns to take noise away, step by step, while it is told a caption",
    "low-rank": "learns the same by changing the model it started from as little as can be",
    "few_steps": "learns to draw in a few steps what the model draws in many",
}
"""Stage => what it does."""

Entries = Sequence[Mapping[str, Any]]


# --- pictures


@dataclass(frozen=True, kw_only=True)
class Data:
    """What the model learnt from; what is None is not known."""

    source: str
    learnt: int | None
    held_out: int | None
    skipped: Sequence[tuple[str, str]]
    """Name and reason."""
    licences: Sequence[Mapping[str, str]]
    started_from: str | None
    sheet: Sequence[Mapping[str, str]] = ()
    """Some of the pictures, as a gallery takes them."""
    report: DataReport | None = None
    why_not: str = ""
    """Why there is no `report`."""


def data_chapter(data: Data) -> Chapter:
    """What was found, skipped and duplicated, and whose work it is."""
    blocks: list[Block] = []
    if data.learnt is None or data.held_out is None:
        blocks.append(Missing("How many pictures there are is not known yet: no model was kept so far."))
    else:
        kept = (
            f"{data.held_out:,} more were held out: the model has never seen them, so that they can tell "
            "whether it has learnt or remembered."
            if data.held_out
            else "None was held out, as there are so few: what is measured below is measured on pictures "
            "that the model has seen."
        )
        blocks.append(Words(f"The model learnt from {data.learnt:,} pictures of {data.source}. {kept}"))
    if data.started_from:
        blocks.append(
            Words(
                f"It did not begin from nothing: it began as {data.started_from}, which knew others before."
            )
        )
    if data.sheet:
        said = f"{len(data.sheet)} of them, evenly from first to last, as the model sees them."
        blocks.append(Gallery(data.sheet, said, "6rem"))
    if data.report is not None:
        blocks += _captions(data.report)
    elif data.why_not:
        blocks.append(Missing(data.why_not))
    blocks += _skipped(data.skipped)
    blocks += _licences(data)
    return Chapter(
        name="data",
        title="The pictures",
        about="A model knows nothing but what it is shown. This is all that this one was shown.",
        blocks=blocks,
        numbers={
            "source": data.source,
            "learnt": data.learnt,
            "held_out": data.held_out,
            "skipped": [list(item) for item in data.skipped],
            "licences": [dict(licence) for licence in data.licences],
            "started_from": data.started_from,
        }
        | ({"report": _plain(data.report)} if data.report else {"left out": data.why_not or None}),
    )


def _plain(report: DataReport) -> dict[str, Any]:
    """What of a data report is not too long for the book."""
    whole = asdict(report)
    return {name: whole[name] for name in ("pictures", "copies", "alike", "families", "known_captions")} | {
        "captions": {
            name: value
            for name, value in whole["captions"].items()
            if name in ("total", "distinct", "several", "one_word", "median_words", "frequent", "too_long")
        },
        "mend": [advice["sentence"] for advice in whole["mend"]],
    }


def _captions(report: DataReport) -> list[Block]:
    captions = report.captions
    alike = (
        f"{report.alike:,} pictures look like another one, in {report.families:,} groups"
        + (f"; {report.copies:,} are the same file again" if report.copies else "")
        if report.alike
        else "No two pictures look alike"
    )
    words = ", ".join(f"{word} ({count:,})" for word, count in captions.frequent[:10])
    return [
        Words(
            f"{alike}. There are {captions.total:,} captions, {captions.distinct:,} of them different, of "
            f"{captions.median_words:g} words in the middle. What they say most often: {words}."
        )
    ]


def _skipped(skipped: Sequence[tuple[str, str]]) -> list[Block]:
    if not skipped:
        return [Words("Nothing was skipped.")]
    shown = [list(item) for item in skipped[:12]]
    more = f" These are the first {len(shown)}." if len(shown) < len(skipped) else ""
    return [
        Words(f"{len(skipped):,} files were skipped.{more} The whole list is in skipped.csv."),
        Table(["file", "why it was skipped"], shown),
    ]


def _licences(data: Data) -> list[Block]:
    if not data.licences:
        return [
            Words(
                "Under which licence the pictures may be used is not known to this program: whoever passes "
                "the model on should know it."
            )
        ]
    rows = [[one["work"], one["holder"], f"{one['name']} ({one['url']})"] for one in data.licences]
    return [
        Heading("Whose work this is"),
        Table(["pictures", "by", "licence"], rows),
    ]


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


# --- loss curves


def loss_chapter(
    entries: Entries, looks: Sequence[tuple[int, float]], alike: tuple[float, float] | None
) -> Chapter:
    """The curve of every stage.

    Args:
        entries: the records of the log.
        looks: step and loss on held-out pictures.
        alike: the final loss on training and on held-out pictures, measured alike; None: not measured.
    """
    title, about = (
        "How it learnt",
        "The loss says how wrong the guesses are: the lower, the better. It falls fast at first, when "
        "everything is new, and slower and slower later.",
    )
    stages = [stage for stage in LOSSES if any(entry["stage"] == stage for entry in entries)]
    if not stages:
        return left_out("loss", title, about, "There is no log of this training.")
    figures = []
    for stage in stages:
        own = [entry for entry in entries if entry["stage"] == stage]
        held = [entry for entry in entries if entry["stage"] == HELD_OUT_OF.get(stage)]
        first, last = (sum(part) / len(part) for part in _ends([entry["losses"]["loss"] for entry in own]))
        said = (
            f"The stage “{stage}” {WORK[stage]}. Its loss went from {first:.3g} to {last:.3g} in "
            f"{own[-1]['step']:,} steps."
        )
        figures.append(Drawing(svg(loss_figure([*thinned(own), *held])), said))
    blocks: list[Block] = [Drawings(figures)]
    if looks:
        blocks.insert(0, Words(_looked(looks)))
    else:
        blocks.append(
            Missing("The denoiser was not yet looked at, so there is no loss on held-out pictures.")
        )
    if alike:
        blocks.append(Words(_alike(*alike)))
    return Chapter(
        name="loss",
        title=title,
        about=about,
        blocks=blocks,
        numbers={
            "held_out": [{"step": step, "loss": loss} for step, loss in looks],
            "training": {stage: _last(entries, stage) for stage in stages},
            "measured_alike": {"learnt": alike[0], "held_out": alike[1]} if alike else None,
        },
    )


def thinned(entries: Entries) -> list[dict[str, Any]]:
    """A curve of at most POINTS points, each the mean of its part of the steps."""
    width = -(-len(entries) // POINTS)
    parts = [entries[start : start + width] for start in range(0, len(entries), width)]
    return [
        {
            "stage": part[0]["stage"],
            "step": part[-1]["step"],
            "losses": {"loss": sum(entry["losses"]["loss"] for entry in part) / len(part)},
        }
        for part in parts
    ]


def _ends(losses: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The first and the last twentieth."""
    width = max(1, len(losses) // 20)
    return losses[:width], losses[-width:]


def _last(entries: Entries, stage: str) -> float:
    part = _ends([entry["losses"]["loss"] for entry in entries if entry["stage"] == stage])[1]
    return sum(part) / len(part)


def _looked(looks: Sequence[tuple[int, float]]) -> str:
    first, last = looks[0], looks[-1]
    if len(looks) == 1:
        return f"On pictures that the denoiser had never seen its loss was {last[1]:.3f} at step {last[0]:,}."
    fell = 1 - last[1] / first[1]
    change = f"{fell:.0%} lower" if fell >= 0 else f"{-fell:.0%} higher"
    best = min(looks, key=lambda look: look[1])
    lowest = "" if best == last else f" It was lowest, {best[1]:.3f}, at step {best[0]:,}."
    return (
        f"The orange points are what counts: pictures that the denoiser had never seen. Its loss on them was "
        f"{first[1]:.3f} at step {first[0]:,} and {last[1]:.3f} at step {last[0]:,}, {change}.{lowest}"
    )


def _alike(learnt: float, held_out: float) -> str:
    more = held_out / learnt - 1
    verdict = (
        "so it knows what pictures have in common, not only those that it met"
        if more < 0.1
        else "so it knows its own pictures better than others"
    )
    return (
        f"Measured in the same way at the end, the loss is {learnt:.3f} on pictures that it has learnt from "
        f"and {held_out:.3f} on others, {abs(more):.0%} {'more' if more >= 0 else 'less'}: {verdict}. (The "
        "blue curve is no comparison: it mixes noise levels in another way, and hides some captions.)"
    )


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


# --- scores


def scores_chapter(
    found: Mapping[str, Any], tables: Sequence[tuple[str, Sequence[Sequence[str]]]], command: str
) -> Chapter:
    """What `rhinoise evaluate` measured: `found` as scores.json has it, `tables` for people."""
    title, about = (
        "The scores",
        "A score compares what the model draws with real pictures, and both with what grey pictures or pure "
        "noise would get. What stands behind ± is how far the number would move by chance alone.",
    )
    if not tables:
        why = "The scores have not been measured. They take some minutes:"
        chapter = left_out("scores", title, about, why)
        return Chapter(
            name=chapter.name,
            title=title,
            about=about,
            blocks=[*chapter.blocks, Command(command)],
            numbers=chapter.numbers,
        )
    blocks: list[Block] = [Words(said) for said in _scored(found)]
    for name, rows in tables:
        wide = max(len(row) for row in rows)
        padded = [[*row, *[""] * (wide - len(row))] for row in rows]
        headed = padded[0][0] == ""
        head = padded[0] if headed else [""] * wide
        blocks.append(Table(head, padded[1:] if headed else padded, name))
    return Chapter(name="scores", title=title, about=about, blocks=blocks, numbers=_without_prompts(found))


def _scored(found: Mapping[str, Any]) -> list[str]:
    """The most telling numbers, with their errors, in words."""
    said = []
    likeness = (found.get("features") or {}).get("likeness")
    if likeness:
        drawn, real, noise = (likeness[name]["kernel"] for name in ("drawn", "real", "noise"))
        said.append(
            f"How far what it draws is from real pictures, as a set: {drawn['mean']:.3f} ± "
            f"{drawn['error']:.3f}. Other real pictures get {real['mean']:.3f} ± {real['error']:.3f} (so "
            f"near nothing can tell them apart), pure noise {noise['mean']:.3f} ± {noise['error']:.3f}."
        )
    retrieval = (found.get("features") or {}).get("retrieval")
    if retrieval:
        n, top = retrieval["among"], retrieval["top1"]
        error = (top * (1 - top) / n) ** 0.5
        said.append(
            f"Asked for {n} captions that it had never seen, it drew a picture that is most like that "
            f"caption’s own in {top:.1%} ± {error:.1%} of the cases. Chance would give {1 / n:.1%}."
        )
    return said


def _without_prompts(found: Mapping[str, Any]) -> dict[str, Any]:
    """The scores, less the hundreds of prompts that a suite lists one by one."""
    suite = found.get("suite")
    if not isinstance(suite, dict):
        return dict(found)
    return {**found, "suite": {name: value for name, value in suite.items() if name != "prompts"}}


# --- what to try next


def next_chapter(advice: Sequence[Advice], draw: str) -> Chapter:
    """The rules that hold of this run; `draw` is the command that draws with it."""
    blocks: list[Block] = []
    for one in advice:
        blocks.append(Words(one.sentence))
        if one.command:
            blocks.append(Command(one.command))
    if not advice:
        blocks.append(Words("No number of this run asks for anything. Draw with it:"))
        blocks.append(Command(draw))
    return Chapter(
        name="next",
        title="What to try next",
        about="What this run’s own numbers suggest, what stands in the way first.",
        blocks=blocks,
        numbers={"advice": [asdict(one) for one in advice]},
    )
