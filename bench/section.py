"""What is measured together: rounds of numbers, and the rows of a table that are made of them.

A round measures everyone once, one after the other; a row is a number of each round (a rate, or a ratio of
two rates of the same round), told as the median over the rounds with the smallest and the largest. So what
slows the machine for a minute moves both sides of a ratio.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.child import Child

Numbers = Mapping[str, float]
"""What one round measured, by name."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a section's table. An aim is a bound on the median: `at_least` or `at_most`.

    `of` raises KeyError where a round has not measured it: a quick look leaves out what takes minutes.
    `why` is what is known of the reason where the aim is missed; shown only there.
    """

    name: str
    unit: str
    of: Callable[[Numbers], float]
    at_least: float | None = None
    at_most: float | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table, what it compares, and how a round is measured.

    `opened(quick, kernels)` starts the children and gives the function that measures a round; `kernels` is
    the child that measures ceilings (`bench.ours.kernels`), alive during the whole run.
    """

    name: str
    title: str
    about: str
    rows: Sequence[Row]
    opened: Callable[[bool, Child], AbstractContextManager[Callable[[], Numbers]]]
    lacks: Callable[[], str] = lambda: ""
    """What this machine lacks that the section needs; empty where it can be measured."""


@dataclass(frozen=True)
class Spread:
    """A median over rounds, with the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """At least one value."""
        return cls(statistics.median(values), min(values), max(values))

    @property
    def width(self) -> float:
        """From the smallest to the largest, as a fraction of the median."""
        return (self.high - self.low) / self.median


def met(row: Row, spread: Spread) -> bool | None:
    """Whether the median is within the row's aim; None without one."""
    if row.at_least is not None:
        return spread.median >= row.at_least
    if row.at_most is not None:
        return spread.median <= row.at_most
    return None


def number(name: str) -> Callable[[Numbers], float]:
    """The number of this name."""
    return lambda round_: round_[name]


def ratio(over: str, under: str) -> Callable[[Numbers], float]:
    """One number of a round over another of the same round."""
    return lambda round_: round_[over] / round_[under]


def percent(over: str, under: str) -> Callable[[Numbers], float]:
    """The same in percent: a utilisation, when `under` is a ceiling."""
    return lambda round_: 100 * round_[over] / round_[under]
