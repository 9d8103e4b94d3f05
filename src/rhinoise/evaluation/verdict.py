"""Whether a picture shows what was asked for, point by point, and how often a set of pictures does."""

from collections.abc import Sequence
from dataclasses import dataclass

from rhinoise.data.suite import SuitePrompt
from rhinoise.evaluation.judge import FIRST, Seen

POINTS = {
    "subject": "subject",
    "subject_among_five": f"  among the first {FIRST}",
    "style": "style",
    "colour": "colour",
    "place": "place",
    "count": "count",
    "everything": "everything right",
}
"""What is judged => what it is called."""


def verdict(asked: SuitePrompt, seen: Seen) -> dict[str, bool]:
    """Point => right or wrong; what the prompt does not say is not judged.

    Of two subjects both must be right, each on its side.
    """
    if asked.other is None:
        subjects = [(asked.subject, seen.subjects)]
    else:
        subjects = [(asked.subject, seen.left), (asked.other, seen.right)]
    points = {
        "subject": all(name == names[0] for name, names in subjects),
        "subject_among_five": all(name in names for name, names in subjects),
        "style": asked.style == seen.style,
        "count": seen.count == len(subjects),
    }
    if asked.colour is not None:
        points["colour"] = asked.colour == seen.colour
    if asked.place is not None:
        points["place"] = asked.place == seen.place
    return points | {"everything": all(points.values())}


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How many of the pictures that were asked for a point are right, and how many would be by chance."""

    point: str
    """A name in POINTS."""
    right: float
    chance: float
    """The same pictures, each judged by the prompts of all the others."""
    among: int


def accuracy(asked: Sequence[SuitePrompt], seen: Sequence[Seen]) -> tuple[Accuracy, ...]:
    """How often each of POINTS is right, but for those that no prompt names."""
    verdicts = [[verdict(prompt, picture) for picture in seen] for prompt in asked]
    found = []
    for point in POINTS:
        named = [i for i, row in enumerate(verdicts) if point in row[i]]
        own = [verdicts[i][i][point] for i in named]
        others = [one[point] for i in named for j, one in enumerate(verdicts[i]) if j != i]
        if own:
            chance = sum(others) / max(1, len(others))
            found.append(Accuracy(point=point, right=sum(own) / len(own), chance=chance, among=len(own)))
    return tuple(found)
