"""The comparison of speed: rounds, aims, the report, children; nothing is measured."""

import argparse
import json
from contextlib import contextmanager

import pytest

from bench import report, run
from bench.child import Child, ChildError
from bench.section import Row, Section, Spread, met, number, percent, ratio
from bench.timing import seconds_each

ROUNDS = [{"reference": 1.0, "ours": 6.0, "peer": 2.0}, {"reference": 1.0, "ours": 5.0, "peer": 2.5}]


def section(*rows, lacks=""):
    @contextmanager
    def opened(quick, kernels):
        measured = iter(ROUNDS)
        yield lambda: next(measured)

    return Section(
        name="race", title="A race", about="Who is first.", rows=rows, opened=opened, lacks=lambda: lacks
    )


RACE = section(
    Row(name="ours", unit="1/s", of=number("ours")),
    Row(name="over the peer", unit="x", of=ratio("ours", "peer"), at_least=3.0, why="the peer is fast"),
    Row(name="peer's part", unit="%", of=percent("peer", "ours"), at_most=50.0, why="never said"),
    Row(name="what only takes minutes", unit="", of=number("missing")),
)


class Kernels:
    """The child that measures the noise."""

    def ask(self, verb, **values):
        return 1.0


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "machine", lambda: {"cpu": "a", "cores": 2, "flags": [], "lacks": []} | LEFT)
    monkeypatch.setattr(run, "versions", lambda: {"rhinoise": "1", "peers": {}})
    monkeypatch.setattr(run, "SECTIONS", (RACE,))
    return lambda: run.Results("results")


LEFT = {"memory_gib": 1.0, "system": "s"}


def asked(**more):
    return argparse.Namespace(**({"quick": False, "rounds": 2, "resume": True} | more))


# --- rows


@pytest.mark.parametrize(
    ("aim", "value", "expected"),
    [
        ({}, 1.0, None),
        ({"at_least": 3.0}, 3.0, True),
        ({"at_least": 3.0}, 2.9, False),
        ({"at_most": 1.5}, 1.5, True),
        ({"at_most": 1.5}, 1.6, False),
    ],
)
def test_an_aim_is_a_bound_on_the_median(aim, value, expected):
    row = Row(name="a", unit="", of=number("a"), **aim)
    assert met(row, Spread.of([value - 1, value, value + 1])) is expected


def test_ratios_are_taken_within_rounds():
    (_, over, _) = report.kept(RACE, ROUNDS)
    assert (over["low"], over["median"], over["high"]) == (2.0, 2.5, 3.0)


def test_what_no_round_has_is_left_out():
    assert [row["name"] for row in report.kept(RACE, ROUNDS)] == ["ours", "over the peer", "peer's part"]


def test_reasons_are_given_where_aims_are_missed_and_nowhere_else(results):
    kept = results()
    kept.keep(RACE, ROUNDS)
    text = kept.markdown.read_text()
    assert "Missed (over the peer): the peer is fast" in text
    assert "never said" not in text
    assert "| over the peer | x | 2.50 | 2.00 to 3.00 | >= 3.00 | **missed** |" in text


# --- rounds


def test_a_run_goes_on_with_the_rounds_that_are_missing(results):
    kept = results()
    kept.keep(RACE, ROUNDS[:1])
    again = results()
    run.measure(RACE, again, Kernels(), asked())
    assert len(results().rounds(RACE)) == 2
    run.measure(RACE, results(), Kernels(), asked(resume=False, rounds=1))
    assert results().rounds(RACE) == ROUNDS[:1]


def test_another_machines_figures_are_not_kept(results, monkeypatch):
    results().keep(RACE, ROUNDS)
    monkeypatch.setattr(run, "machine", lambda: {"cpu": "b", "cores": 2, "flags": [], "lacks": []} | LEFT)
    assert results().rounds(RACE) == []


def test_what_the_machine_lacks_is_said(results):
    kept = results()
    run.measure(section(lacks="no GPU"), kept, Kernels(), asked())
    kept.write()
    assert "Not measured: no GPU." in kept.markdown.read_text()
    assert json.loads(kept.json.read_text())["sections"] == {"race": {"skipped": "no GPU"}}


@pytest.mark.parametrize("made", run.SECTIONS, ids=lambda made: made.name)
def test_names_of_rows_are_told_apart(made):
    rows = [(row.name, row.unit) for row in made.rows]
    assert len(set(rows)) == len(rows)


# --- children and clocks


def test_a_child_that_fails_says_where(monkeypatch, tmp_path):
    module = tmp_path / "failing.py"
    module.write_text(
        "from bench.child import serve\nserve({'fail': lambda: 1 / 0, 'double': lambda x: 2 * x})"
    )
    monkeypatch.setattr("bench.child.LOGS", tmp_path)
    with Child("failing", environment={"PYTHONPATH": str(tmp_path)}) as child:
        assert child.ask("double", x=4) == 8
        with pytest.raises(ChildError, match="ZeroDivisionError"):
            child.ask("fail")


def test_seconds_are_of_one_call_after_the_warm_up():
    calls = []
    each = seconds_each(lambda: calls.append(1), 0.0, warm_up=2, least=3)
    assert len(calls) == 5
    assert each > 0
