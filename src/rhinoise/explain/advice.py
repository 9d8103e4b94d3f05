"""What to try next: a table of rules, from what a run's numbers are to a sentence and a command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FEW = 500
"""Pictures: below it a model knows them by heart within minutes."""
DIM = 26.0
"""PSNR in dB: below it an autoencoder's pictures look blurred beside the originals."""
STILL_FALLING, RISEN, APART = 0.02, 0.01, 1.25
"""Parts that the held-out loss fell by between two looks, and rose by; held-out over training loss."""
SKIPPED, ALIKE, ONE_WORD = 0.02, 0.1, 0.5
"""Parts of the pictures."""
COPIED = 2.0
"""Replicas among what is drawn, over those among unseen real pictures."""
CALIBRATED = 90
"""Held-out pictures that the replica meter needs."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the rules look at; None is not known, and no rule holds of it."""

    run: str
    finished: bool
    learnt: int | None = None
    """Pictures that were trained on; and held out; and skipped."""
    held_out: int | None = None
    skipped: int = 0
    one_word: float | None = None
    """Part of the pictures whose captions are a single word."""
    alike: float | None = None
    """Part of the pictures that look like another one."""
    psnr: float | None = None
    """Of the autoencoder, in dB."""
    autoencoder_share: float = 0.0
    """Of the budget."""
    looks: tuple[tuple[int, float], ...] = ()
    """Step and held-out loss, in order."""
    passes: float | None = None
    """How often each picture was seen by the denoiser."""
    losses: tuple[float, float] | None = None
    """On training and on held-out pictures, measured alike."""
    replicas: tuple[float, float] | None = None
    """Part of what is drawn for training captions, and of unseen real pictures, that the meter takes for
    copies."""
    retrieval: tuple[float, int] | None = None
    """How often the picture drawn for a held-out caption is nearest to its own, among how many."""
    scored: bool = False
    commands: Mapping[str, str] = field(default_factory=dict)
    """Name => a command, ready to be typed."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A sentence with the run's numbers in it, and what to type."""

    rule: str
    sentence: str
    command: str


@dataclass(frozen=True)
class Rule:
    """When it holds, what it says, and the name of its command."""

    holds: Callable[[Found], bool]
    says: Callable[[Found], str]
    command: str


RULES: dict[str, Rule] = {
    "unfinished": Rule(
        lambda run: not run.finished,
        lambda run: "This training was stopped before its end. The same command goes on where it was.",
        "again",
    ),
    "skipped": Rule(
        lambda run: bool(run.learnt) and run.skipped > SKIPPED * (run.skipped + _all(run)),
        lambda run: (
            f"{run.skipped:,} of {run.skipped + _all(run):,} pictures were skipped. The data report says why "
            "each of them was, and what to mend."
        ),
        "inspect",
    ),
    "few pictures": Rule(
        lambda run: run.learnt is not None and run.learnt < FEW,
        lambda run: (
            f"It has learnt from {run.learnt:,} pictures only. More pictures help more than anything else; "
            "if there are no more, start from a model that knows shapes and colours already."
        ),
        "from",
    ),
    "one word": Rule(
        lambda run: run.one_word is not None and run.one_word > ONE_WORD,
        lambda run: (
            f"{run.one_word or 0:.0%} of the pictures have a single word for a caption, so that little can "
            "be asked of the model. Add what sets pictures apart: colour, number, place, style."
        ),
        "inspect",
    ),
    "alike": Rule(
        lambda run: run.alike is not None and run.alike > ALIKE,
        lambda run: (
            f"{run.alike or 0:.0%} of the pictures look like another one. The model meets those more often "
            "and learns them by heart first: keep the best of each group."
        ),
        "inspect",
    ),
    "blurred": Rule(
        lambda run: run.psnr is not None and run.psnr < DIM and run.autoencoder_share > 0,
        lambda run: (
            f"The autoencoder brings pictures back at {run.psnr or 0:.1f} dB, which looks blurred; nothing "
            f"that is drawn can be sharper. Give it more than {run.autoencoder_share:.0%} of the time."
        ),
        "autoencoder",
    ),
    "risen": Rule(
        lambda run: _risen(run) > RISEN,
        lambda run: (
            f"On unseen pictures the loss was lowest at step {_best(run)[0]:,} ({_best(run)[1]:.3f}) and "
            f"rose to {run.looks[-1][1]:.3f}: from there on the model learnt by heart. Train for a "
            "shorter time, or add pictures."
        ),
        "shorter",
    ),
    "still falling": Rule(
        lambda run: run.finished and _fell(run) > STILL_FALLING,
        lambda run: (
            f"On unseen pictures the loss still fell by {_fell(run):.0%} between the last two looks, to "
            f"{run.looks[-1][1]:.3f}: the training ended before the model had learnt what it can. Give it "
            "twice the time."
        ),
        "longer",
    ),
    "apart": Rule(
        lambda run: run.losses is not None and run.losses[1] > APART * run.losses[0],
        lambda run: (
            f"The loss is {_losses(run)[0]:.3f} on pictures that it has learnt from and "
            f"{_losses(run)[1]:.3f} on others, {_losses(run)[1] / _losses(run)[0] - 1:.0%} more: it "
            f"knows its own pictures better than what they have in common{_seen(run)}. Add pictures."
        ),
        "inspect",
    ),
    "replicas": Rule(
        lambda run: run.replicas is not None and run.replicas[0] > COPIED * max(run.replicas[1], 0.05),
        lambda run: (
            f"{_copies(run)[0]:.0%} of what it draws for captions that it has learnt are close copies of "
            f"training pictures, where {_copies(run)[1]:.0%} of unseen real pictures would be taken for "
            f"some{_seen(run)}. More pictures, or fewer passes over them, make copies rarer."
        ),
        "shorter",
    ),
    "deaf": Rule(
        lambda run: run.retrieval is not None and run.retrieval[0] < 3 / run.retrieval[1],
        lambda run: (
            f"For {_heard(run)[0]:.1%} of {_heard(run)[1]} unseen captions the picture that it draws is most "
            f"like that caption's own, where chance gives {1 / _heard(run)[1]:.1%}: it hardly heeds words it "
            "has not learnt together. Longer training helps, and so do captions that say more."
        ),
        "longer",
    ),
    "few held out": Rule(
        lambda run: run.held_out is not None and run.held_out < CALIBRATED,
        lambda run: (
            f"{run.held_out} pictures are held out. It takes {CALIBRATED} to say which drawn picture is a "
            "copy; with more pictures, or more of them held out, the replica meter can be set."
        ),
        "held out",
    ),
    "not scored": Rule(
        lambda run: run.finished and not run.scored,
        lambda run: "Its scores have not been measured yet: this compares what it draws with real pictures.",
        "evaluate",
    ),
}
"""In the order in which they are told: what stands in the way first."""


def advise(run: Found) -> list[Advice]:
    """What holds of a run, in the order of the table."""
    return [
        Advice(rule=name, sentence=rule.says(run), command=run.commands.get(rule.command, ""))
        for name, rule in RULES.items()
        if rule.holds(run)
    ]


def _all(run: Found) -> int:
    return (run.learnt or 0) + (run.held_out or 0)


def _best(run: Found) -> tuple[int, float]:
    return min(run.looks, key=lambda look: look[1])


def _risen(run: Found) -> float:
    """By which part the held-out loss is above its lowest."""
    return run.looks[-1][1] / _best(run)[1] - 1 if run.looks and _best(run)[1] > 0 else 0.0


def _fell(run: Found) -> float:
    """By which part the held-out loss fell between the last two looks."""
    if len(run.looks) < 2 or run.looks[-2][1] <= 0:
        return 0.0
    return 1 - run.looks[-1][1] / run.looks[-2][1]


def _seen(run: Found) -> str:
    return f"; each was seen {run.passes:.0f} times" if run.passes and run.passes >= 2 else ""


def _losses(run: Found) -> tuple[float, float]:
    assert run.losses is not None
    return run.losses


def _copies(run: Found) -> tuple[float, float]:
    assert run.replicas is not None
    return run.replicas


def _heard(run: Found) -> tuple[float, int]:
    assert run.retrieval is not None
    return run.retrieval
