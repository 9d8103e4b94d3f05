"""What is right of a picture, and how often."""

from dataclasses import replace

import pytest

from rhinoise.data.suite import SuitePrompt
from rhinoise.evaluation.judge import Seen
from rhinoise.evaluation.verdict import POINTS, accuracy, verdict

ASKED = SuitePrompt(prompt="", subject="cat", style="twemoji", seen=True)
SEEN = Seen(
    subjects=("cat", "dog"),
    left=("dog", "cat"),
    right=("apple", "cat"),
    style="twemoji",
    count=1,
    colour="blue",
    place="left",
)


def test_what_a_prompt_does_not_say_is_not_judged():
    assert set(verdict(ASKED, SEEN)) == set(POINTS) - {"colour", "place"}
    assert all(verdict(ASKED, SEEN).values())


@pytest.mark.parametrize(
    ("wrong", "asked"),
    [
        ("colour", replace(ASKED, colour="red")),
        ("place", replace(ASKED, place="top")),
        ("style", replace(ASKED, style="openmoji")),
        ("subject", replace(ASKED, subject="dog")),
    ],
)
def test_one_wrong_point_is_not_everything_right(wrong, asked):
    found = verdict(asked, SEEN)
    assert {point for point, right in found.items() if not right} == {wrong, "everything"}


def test_of_a_pair_each_side_is_judged():
    two = replace(SEEN, count=2)
    assert verdict(replace(ASKED, subject="dog", other="apple"), two)["everything"]
    swapped = verdict(replace(ASKED, subject="apple", other="dog"), two)
    assert not swapped["subject"]
    assert not verdict(replace(ASKED, subject="dog", other="apple"), SEEN)["count"]
    near = verdict(replace(ASKED, subject="cat", other="cat"), two)
    assert (near["subject"], near["subject_among_five"]) == (False, True)


def test_accuracy_stands_beside_what_the_others_prompts_would_have_got():
    asked = [ASKED, replace(ASKED, subject="dog"), replace(ASKED, subject="apple", colour="blue")]
    found = {one.point: one for one in accuracy(asked, [SEEN, SEEN, SEEN])}
    assert (found["subject"].right, found["subject"].among) == (pytest.approx(1 / 3), 3)
    # Whoever draws one picture for all prompts is as right as by chance.
    assert all(one.right == pytest.approx(one.chance) for one in found.values())
    assert (found["colour"].right, found["colour"].among) == (1.0, 1)
    assert "place" not in found
