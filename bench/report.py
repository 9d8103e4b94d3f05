"""Results as they are kept (results.json), and as they are read (results.md)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from bench.section import Numbers, Row, Section, Spread, met

MET = {True: "met", False: "**missed**", None: ""}


def kept(section: Section, rounds: Sequence[Numbers]) -> list[dict[str, Any]]:
    """The rows of a section that were measured, as plain values."""
    rows = []
    for row in section.rows:
        values = list(_measured(row, rounds))
        if not values:
            continue
        spread = Spread.of(values)
        rows.append(
            {
                "name": row.name,
                "unit": row.unit,
                "median": spread.median,
                "low": spread.low,
                "high": spread.high,
                "aim": aim(row),
                "met": met(row, spread),
                "why": row.why if met(row, spread) is False else "",
            }
        )
    return rows


def _measured(row: Row, rounds: Sequence[Numbers]) -> Iterator[float]:
    """The row's value in every round that has it."""
    for numbers in rounds:
        with suppress(KeyError):
            yield row.of(numbers)


def aim(row: Row) -> str:
    """An aim in a few letters."""
    if row.at_least is not None:
        return f">= {figures(row.at_least)}"
    return "" if row.at_most is None else f"<= {figures(row.at_most)}"


def figures(value: float) -> str:
    """Three significant digits, and no exponent where people would not write one."""
    if value and abs(value) < 1e-2:
        return f"{value:.1e}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def markdown(results: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """The whole report; `results` is what results.json holds."""
    return "\n".join(_lines(results, sections)) + "\n"


def _lines(results: Mapping[str, Any], sections: Sequence[Section]) -> Iterator[str]:
    yield "# Measured beside the peers"
    yield ""
    yield "Written by `make bench`; every figure is a median over rounds, with the smallest and the largest."
    yield ""
    yield from _header(results)
    for section in sections:
        yield ""
        yield f"## {section.title}"
        yield ""
        found = results["sections"].get(section.name)
        if found is None:
            yield "Not measured yet."
        elif "skipped" in found:
            yield f"Not measured: {found['skipped']}."
        else:
            yield section.about
            yield ""
            yield from _table(found["rows"])
            yield ""
            yield from _reasons(found["rows"])
            yield f"{len(found['rounds'])} rounds, {found['when']}, {found['rhinoise']}."


def _header(results: Mapping[str, Any]) -> Iterator[str]:
    machine, versions = results["machine"], dict(results["versions"])
    peers = versions.pop("peers")
    yield f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    yield f"- has {', '.join(machine['flags']) or 'none'} of the instructions that matter; lacks " + (
        ", ".join(machine["lacks"]) or "none"
    )
    yield "- " + ", ".join(f"{name} {version}" for name, version in versions.items())
    yield "- peers: " + ", ".join(f"{name} {version}" for name, version in peers.items())
    measured = [numbers for found in results["sections"].values() for numbers in found.get("rounds", ())]
    if measured:
        noise = Spread.of([numbers["reference"] for numbers in measured])
        yield (
            f"- noise: one and the same small product before each of the {len(measured)} rounds ran at "
            f"{figures(noise.median)} GFLOP/s, from {figures(noise.low)} to {figures(noise.high)}"
        )


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| what | unit | median | smallest to largest | aim | |"
    yield "|---|---|---:|---|---|---|"
    for row in rows:
        spread = f"{figures(row['low'])} to {figures(row['high'])}"
        yield (
            f"| {row['name']} | {row['unit']} | {figures(row['median'])} | {spread} | {row['aim']} | "
            f"{MET[row['met']]} |"
        )


def _reasons(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Why aims are missed, each reason once."""
    missed: dict[str, list[str]] = {}
    for row in rows:
        if row["why"]:
            missed.setdefault(row["why"], []).append(row["name"])
    for why, names in missed.items():
        yield f"Missed ({'; '.join(names)}): {why}"
        yield ""
