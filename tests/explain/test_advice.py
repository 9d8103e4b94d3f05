"""What to try next: every rule holds of the run that it is for, and of no run that nothing is known of."""

from dataclasses import replace

import pytest

from rhinoise.explain.advice import RULES, Found, advise

COMMANDS = {rule.command: f"rhinoise {rule.command}" for rule in RULES.values()}
FINE = Found(
    run="runs/fine",
    finished=True,
    learnt=5000,
    held_out=250,
    one_word=0.1,
    alike=0.02,
    psnr=31.0,
    autoencoder_share=0.2,
    looks=((100, 0.60), (200, 0.50), (300, 0.495)),
    passes=12.0,
    losses=(0.48, 0.495),
    replicas=(0.04, 0.05),
    retrieval=(0.3, 250),
    scored=True,
    commands=COMMANDS,
)
TROUBLE = {
    "unfinished": (replace(FINE, finished=False), "stopped"),
    "skipped": (replace(FINE, skipped=400), "400 of 5,650"),
    "few pictures": (replace(FINE, learnt=120), "120 pictures"),
    "one word": (replace(FINE, one_word=0.75), "75%"),
    "alike": (replace(FINE, alike=0.3), "30%"),
    "blurred": (replace(FINE, psnr=22.04), "22.0 dB"),
    "risen": (replace(FINE, looks=((100, 0.60), (200, 0.50), (300, 0.56))), "lowest at step 200 (0.500)"),
    "still falling": (replace(FINE, looks=((100, 0.60), (200, 0.50), (300, 0.45))), "by 10%"),
    "apart": (replace(FINE, losses=(0.2, 0.5)), "150% more"),
    "replicas": (replace(FINE, replicas=(0.6, 0.05)), "60%"),
    "deaf": (replace(FINE, retrieval=(0.004, 250)), "0.4%"),
    "few held out": (replace(FINE, held_out=21), "21 pictures"),
    "not scored": (replace(FINE, scored=False), "scores"),
}


def test_a_run_without_trouble_gets_no_advice() -> None:
    assert advise(FINE) == []


def test_of_what_is_not_known_nothing_is_said() -> None:
    assert advise(Found(run="runs/unknown", finished=True, scored=True)) == []


@pytest.mark.parametrize("name", RULES)
def test_a_rule_holds_of_its_trouble_and_says_it_in_numbers(name: str) -> None:
    run, number = TROUBLE[name]
    (advice,) = advise(run)
    assert advice.rule == name
    assert number in advice.sentence
    assert advice.command == COMMANDS[RULES[name].command]


def test_what_stands_in_the_way_comes_first() -> None:
    run = replace(FINE, finished=False, learnt=120, scored=False)
    assert [advice.rule for advice in advise(run)] == ["unfinished", "few pictures"]
