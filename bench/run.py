"""`make bench`: measure us and the peers in turn, and write results.md and results.json.

Each section measures round after round, and writes the results after every round: Ctrl-C loses one round, and
`--resume` goes on with what is missing. `--quick` (under 3 minutes) is a look, kept apart in quick.md.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from bench import report
from bench.ceilings import CEILINGS
from bench.child import Child
from bench.cold import COLD
from bench.cost import COST
from bench.environment import HERE
from bench.gpu import GPU
from bench.latent import LATENT
from bench.machine import machine, versions
from bench.sampling import SAMPLING
from bench.section import Numbers, Section
from bench.training import MATCHED, RECIPE
from rhinoise.core.files import read_json, write_json, write_text

SECTIONS: Sequence[Section] = (CEILINGS, MATCHED, RECIPE, SAMPLING, LATENT, COLD, COST, GPU)
ROUNDS = 3


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for, section by section."""
    names = [section.name for section in SECTIONS]
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look, in under 3 minutes")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SECTION", help=str(names))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each section in all")
    parser.add_argument("--resume", action="store_true", help="keep the rounds that are there")
    asked = parser.parse_args(arguments)
    results = Results("quick" if asked.quick else "results")
    with Child("bench.ours.kernels") as kernels:
        for section in SECTIONS:
            if section.name in asked.only:
                measure(section, results, kernels, asked)
    results.write()


def measure(section: Section, results: "Results", kernels: Child, asked: argparse.Namespace) -> None:
    """The rounds of a section that are missing."""
    if lacks := section.lacks():
        results.skip(section, lacks)
        return
    rounds = results.rounds(section) if asked.resume else []
    wanted = 1 if asked.quick else asked.rounds
    if len(rounds) >= wanted:
        return
    began = time.monotonic()
    with section.opened(asked.quick, kernels) as one:
        while len(rounds) < wanted:
            rounds.append(_round(kernels, one))
            results.keep(section, rounds)
            say = f"{section.name}: round {len(rounds)} of {wanted}, {time.monotonic() - began:.0f} s"
            print(say, file=sys.stderr, flush=True)


def _round(kernels: Child, one: Callable[[], Numbers]) -> Numbers:
    """One round of a section, after one and the same small product, for the noise."""
    return {"reference": kernels.ask("reference", seconds=0.5)} | dict(one())


class Results:
    """What has been measured so far, on disk."""

    def __init__(self, name: str) -> None:
        self.json, self.markdown = HERE / f"{name}.json", HERE / f"{name}.md"
        self.all: dict[str, Any] = {"sections": {}}
        with suppress(FileNotFoundError):
            self.all = read_json(self.json)
        if self.all.get("machine") != machine():
            self.all = {"sections": {}}  # another machine's figures are not for this table
        self.all |= {"machine": machine(), "versions": versions()}

    def rounds(self, section: Section) -> list[Any]:
        """The section's rounds that are there."""
        return list(self.all["sections"].get(section.name, {}).get("rounds", ()))

    def keep(self, section: Section, rounds: list[Any]) -> None:
        """Take in this section's rounds, and write everything."""
        self.all["sections"][section.name] = {
            "when": time.strftime("%Y-%m-%d %H:%M"),
            "rhinoise": f"rhinoise {self.all['versions']['rhinoise']}",
            "rounds": rounds,
        }
        self.write()

    def skip(self, section: Section, lacks: str) -> None:
        """Take in why this section is not measured."""
        self.all["sections"][section.name] = {"skipped": lacks}

    def write(self) -> None:
        """Write everything, the rows anew from the rounds: what they say of them may have changed."""
        for section in SECTIONS:
            found = self.all["sections"].get(section.name, {})
            if "rounds" in found:
                found["rows"] = report.kept(section, found["rounds"])
        write_json(self.json, self.all)
        write_text(self.markdown, report.markdown(self.all, SECTIONS))


if __name__ == "__main__":
    main(sys.argv[1:])
