"""Chapters of what a model is worth: whether it copies, its scores, and what to try next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from rhinoise.core.shapes import Images
from rhinoise.explain.advice import Advice
from rhinoise.explain.report import Block, Chapter, Command, Gallery, Table, Words, left_out, pictures

# --- replicas


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Drawn pictures, each beside the training picture that is nearest to it."""

    drawn: Images
    nearest: Images
    prompts: Sequence[str]
    learnt: Sequence[bool]
    """Whether the prompt is a caption of a training picture."""
    labels: Sequence[str | None]
    """None where the meter could not be calibrated."""
    ratios: Sequence[float]
    worth: str
    """How far the labels can be trusted, in words."""
    tested: float | None
    """Part of unseen real pictures that would be called replicas; None: not known."""


def replicas_chapter(found: Checked | str, measured: Sequence[Sequence[str]], command: str) -> Chapter:
    """Drawn, and nearest; `measured` are the rows that `rhinoise evaluate` found of many more pictures."""
    title, about = (
        "Does it draw, or does it copy?",
        "A model may give back its training pictures instead of drawing. So each picture is compared with "
        "all of them. A ratio near 0 is a copy; near 1, the nearest picture is no nearer than many others.",
    )
    blocks: list[Block] = []
    numbers: dict[str, Any] = {}
    if isinstance(found, str):
        blocks += left_out("replicas", title, about, found).blocks
        numbers["left out"] = found
    else:
        labels = [label or "not judged" for label in found.labels]
        texts = [
            f"{prompt} ({'learnt' if learnt else 'not learnt'}): {label}, ratio {ratio:.2f}"
            for prompt, learnt, label, ratio in zip(
                found.prompts, found.learnt, labels, found.ratios, strict=True
            )
        ]
        pairs = pictures(torch.cat([found.drawn.cpu(), found.nearest.cpu()], dim=3), texts)
        count = len(found.prompts)
        copies = sum(label == "replica" for label in found.labels)
        told = (
            f"By this measure {copies or 'none'} of these {count} is a copy."
            if any(found.labels)
            else f"The lowest ratio of these {count} is {min(found.ratios):.2f}."
        )
        blocks.append(
            Gallery(
                pairs,
                f"Left what it drew, right the nearest of all pictures that it learnt from. {told}",
                "12rem",
            )
        )
        worth = found.worth[0].upper() + found.worth[1:]
        blocks.append(Words(f"{worth}. Pictures are compared as small ones of 32 x 32 dots here."))
        numbers["pictures"] = [
            {"prompt": prompt, "learnt": learnt, "label": label, "ratio": ratio}
            for prompt, learnt, label, ratio in zip(
                found.prompts, found.learnt, found.labels, found.ratios, strict=True
            )
        ]
        numbers["worth"] = found.worth
    if measured:
        blocks.append(
            Table(
                measured[0], measured[1:], "Of many more pictures, in pixels, latents and features together"
            )
        )
    else:
        blocks += [
            Words("Of pictures of your own prompts, in pixels, latents and features:"),
            Command(command),
        ]
    return Chapter(name="replicas", title=title, about=about, blocks=blocks, numbers=numbers)


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
