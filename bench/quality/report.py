"""What is known so far, for people: bench/quality.md, bench/quality.json and two figures in docs/."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bench.machine import machine, versions
from bench.quality.contestants import CONTESTANTS, OURS, STEPS, Job
from bench.quality.drawn import read_chunks
from bench.quality.pictures import GALLERY, Pictures
from bench.quality.reach import Point, reach
from bench.quality.scores import FEATURE_SPACE
from rhinoise.core.files import read_json, write_json, write_text
from rhinoise.explain.plots.style import SIX, save_figure

SHOWN = 12
"""Pictures of each contestant in the figure, half of them held out."""


@dataclass(frozen=True)
class Measure:
    """A number of the table: its name in a score, its heading, and which way is better."""

    path: tuple[str, ...]
    heading: str
    higher: bool
    text: str = "{:.0f}"
    error: str | None = None
    """The name of its standard error in a score."""

    def of(self, score: dict[str, Any]) -> float | None:
        """The number, where it was measured."""
        for name in self.path:
            if name not in score:
                return None
            score = score[name]
        return float(score)  # type: ignore[arg-type]

    def told(self, score: dict[str, Any]) -> str:
        """The number in words, with its error; nothing where it was not measured."""
        value = self.of(score)
        if value is None:
            return ""
        error = f" ± {score[self.error]:.0f}" if self.error else ""
        return self.text.format(value) + error


MEASURES = (
    Measure(("kid",), "KID x 1000", False, "{:.0f}", "kid_error"),
    Measure(("frechet",), "Frechet", False),
    Measure(("seen", "top1"), "seen top-1", True, "{:.1%}"),
    Measure(("seen", "top5"), "seen top-5", True, "{:.1%}"),
    Measure(("held_out", "top1"), "held-out top-1", True, "{:.1%}"),
    Measure(("held_out", "top5"), "held-out top-5", True, "{:.1%}"),
)


Records = Sequence[dict[str, Any]]


def write(work: Path, every: Sequence[Job], pictures: Pictures, settings: dict[str, Any], root: Path) -> None:
    """Everything, from the results that there are."""
    looked = [read_json(file) for file in sorted((work / "results").glob("*.json"))]
    looked.sort(key=lambda job: (list(CONTESTANTS).index(job["who"]), job["budget"], job["seed"]))
    records = [job for job in looked if "refused" not in job]
    todo = [job.name for job in every if not (work / "results" / f"{job.name}.json").is_file()]
    known = {
        "settings": settings,
        "machine": machine(),
        "versions": versions(),
        "controls": read_json(work / "controls.json"),
        "jobs": records,
        "refused": [job for job in looked if "refused" in job],
        "to_do": todo,
    }
    write_json(root / "bench" / "quality.json", known)
    write_text(root / "bench" / "quality.md", markdown(known, pictures))
    if records:
        save_figure(curves(known), root / "docs" / "quality.png")
        save_figure(samples(records, pictures, work), root / "docs" / "quality_samples.png")


# --- tables


def markdown(known: dict[str, Any], pictures: Pictures) -> str:
    """The report in words and tables."""
    parts = [_head(known, pictures), _controls(known["controls"]), _table(known), _needed(known)]
    return "\n\n".join(parts) + "\n"


def _head(known: dict[str, Any], pictures: Pictures) -> str:
    settings, records, todo = known["settings"], known["jobs"], known["to_do"]
    state = f"**A part of it: {len(records)} jobs are done, {len(todo)} are to come.**" if todo else ""
    computer, software = known["machine"], known["versions"]
    clock = {
        "wall": "wall clock, nothing else at work",
        "cpu": "the processor time of one thread, since the machine did other work meanwhile",
    }[settings["clock"]]
    loads = [record["load"] for record in records] or [0.0]
    commits = sorted({record["commit"] for record in records})
    peers = ", ".join(f"{name} {version}" for name, version in software["peers"].items())
    lines = [
        "# Time to quality",
        f"`emoji` at 64 px, {len(pictures.train)} training pictures, rendered once for everybody. {state}",
        f"{computer['cpu']}, {settings['threads']} of {computer['cores']} cores; torch {software['torch']}; "
        f"{peers}; rhinoise {', '.join(commits)}. Minutes are {clock}; load average "
        f"{min(loads):g} to {max(loads):g} (each job's is in quality.json). Everything counts: Python's "
        "start, every stage, encoding, the text encoder's pass over the captions; not counted: drawing the "
        f"{settings['samples']} pictures that are judged ({STEPS} steps for everybody), the peers' saving.",
        f"Judged in {FEATURE_SPACE} features, which no training saw. KID and Frechet distance to a random "
        'half of the training pictures; the control "real" is from the other half. KID is unbiased; the '
        "Frechet distance is inflated by small samples and not monotone far from the data: see the controls. "
        "Retrieval: how often the picture drawn for a caption is nearest to that caption's own, among "
        f"{GALLERY} training pictures (seen) or all {len(pictures.held_out)} held-out ones; "
        f"{pictures.asked_held_out} of the captions drawn are held out.",
        "\n".join(f"- **{name}**: {who.about}." for name, who in CONTESTANTS.items()),
        "![Quality against minutes](../docs/quality.png)",
        "![What each draws](../docs/quality_samples.png)",
    ]
    return "\n\n".join(lines)


def _controls(controls: dict[str, Any]) -> str:
    measures = MEASURES[:2]
    rows = [[name, *(each.told(score) for each in measures)] for name, score in controls.items()]
    return "## Controls, at the same number\n\n" + _rows(
        ["control", *(each.heading for each in measures)], rows
    )


def _table(known: dict[str, Any]) -> str:
    records, rows = known["jobs"], []
    for who, budget in dict.fromkeys((record["who"], record["budget"]) for record in records):
        same = [record for record in records if (record["who"], record["budget"]) == (who, budget)]
        for weights in same[0]["scores"]:
            cells = []
            for each in MEASURES:
                told = [each.told(record["scores"][weights]) for record in same]
                cells.append(" / ".join(filter(None, told)))
            spent = mean(_minutes(record, known) for record in same)
            seen = mean(record["images"] for record in same)
            rows.append([who, f"{budget:g}", f"{spent:.1f}", f"{seen:,.0f}", weights, *cells])
    head = ["who", "budget", "minutes", "pictures seen", "weights", *(each.heading for each in MEASURES)]
    refused = [
        f"Refused: {job['who']}, {job['budget']:g} minutes, seed {job['seed']}: {job['refused']}."
        for job in known["refused"]
    ]
    return "\n\n".join(["## What was measured (a / b: seed after seed)", _rows(head, rows), *refused])


def _needed(known: dict[str, Any]) -> str:
    rows = []
    for record_minutes, budget, measure, target in _ours(known):
        found = {
            who: reach(points, target, higher=measure.higher)
            for who, points in _peers(known, measure).items()
        }
        if not found:
            continue
        reached = {who: one for who, one in found.items() if one.reached}
        who = min(reached or found, key=lambda name: found[name].minutes)
        best = found[who]
        name = who if best.reached else "none"
        told = f"{'' if best.reached else '> '}{best.minutes:.1f}"
        rows.append(
            [
                f"{budget:g}",
                measure.heading,
                measure.text.format(target),
                name,
                told,
                best.times(record_minutes),
            ]
        )
    head = ["our budget", "measure", "what we have", "best peer", "its minutes", "times ours"]
    return (
        "## The minutes that the best peer needs for what we have\n\n"
        "Our averaged weights against whichever of a peer's are better at each look, means over seeds, "
        "straight lines over the logarithm of the minutes; > where no peer came so far.\n\n"
        + _rows(head, rows)
    )


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


# --- curves


def _minutes(record: dict[str, Any], known: dict[str, Any]) -> float:
    return record["seconds"][known["settings"]["clock"]] / 60


def _curve(known: dict[str, Any], who: str, weights: str, measure: Measure) -> list[Point]:
    """(minutes spent, value), means over seeds; empty where it was not measured."""
    points: dict[float, list[Point]] = {}
    for record in known["jobs"]:
        if record["who"] == who and (value := measure.of(record["scores"][weights])) is not None:
            points.setdefault(record["budget"], []).append((_minutes(record, known), value))
    return [
        (mean(minutes for minutes, _ in same), mean(value for _, value in same))
        for _, same in sorted(points.items())
    ]


def _ours(known: dict[str, Any]) -> list[tuple[float, float, Measure, float]]:
    """(minutes spent, budget, measure, value) of every point of ours."""
    budgets = sorted({record["budget"] for record in known["jobs"] if record["who"] == OURS})
    return [
        (minutes, budget, measure, value)
        for place, budget in enumerate(budgets)
        for measure in MEASURES
        for minutes, value in _curve(known, OURS, "ema", measure)[place : place + 1]
    ]


def _peers(known: dict[str, Any], measure: Measure) -> dict[str, list[Point]]:
    """Peer => its curve, the better of its weights at each look."""
    better = max if measure.higher else min
    found = {}
    for who in CONTESTANTS:
        both = [_curve(known, who, weights, measure) for weights in ("raw", "ema")]
        if who != OURS and both[0]:
            found[who] = [(raw[0], better(raw[1], average[1])) for raw, average in zip(*both, strict=True)]
    return found


def curves(known: dict[str, Any]) -> Figure:
    """Two measures against minutes: one for everybody, one for those who can be asked."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for axes, measure in ((left, MEASURES[0]), (right, MEASURES[-1])):
        for colour, who in zip(SIX[: len(CONTESTANTS)], CONTESTANTS, strict=True):
            for weights, style in (("ema", "o-"), ("raw", "x:")):
                if points := _curve(known, who, weights, measure):
                    label = f"{who}, {'averaged' if weights == 'ema' else 'raw'} weights"
                    axes.plot(*zip(*points, strict=True), style, color=colour, label=label)
        if not measure.higher:
            axes.axhline(
                known["controls"]["real"]["kid"], color="#555555", linewidth=0.8, label="real pictures"
            )
            axes.set_yscale("symlog", linthresh=10)
        axes.set_xscale("log")
        axes.set_xticks(ticks := sorted({record["budget"] for record in known["jobs"]}))
        axes.set_xticklabels([f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(f"minutes of training ({known['settings']['clock']} clock)")
        way = "higher is better" if measure.higher else "lower is better"
        axes.set_title(f"{measure.heading} ({way})", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def samples(records: Records, pictures: Pictures, work: Path) -> Figure:
    """What each draws at each budget, by its better weights; above, the captions' own pictures."""
    held_out, half = pictures.asked_held_out, SHOWN // 2
    columns = [
        *(place * held_out // half for place in range(half)),
        *(held_out + place * (len(pictures.asked) - held_out) // half for place in range(half)),
    ]
    rows = [("asked for", pictures.array[[pictures.asked[column] for column in columns]])]
    for record in (record for record in records if record["seed"] == records[0]["seed"]):
        scores = record["scores"]
        weights = min(scores, key=lambda name: scores[name]["kid"])
        drawn = read_chunks(
            work / "drawn" / f"{record['who']}-{record['seed']}-{record['budget']:g}" / weights
        )
        rows.append((f"{record['who']}\n{record['budget']:g} min, {weights}", drawn[columns]))
    figure = Figure(figsize=(SHOWN * 0.75 + 1.6, len(rows) * 0.75 + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), SHOWN, squeeze=False)
    for (name, drawn), line in zip(rows, grid, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for axes, picture in zip(line, drawn, strict=True):
            axes.imshow(picture.transpose(1, 2, 0))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color("#CCCCCC")
    grid[0][0].set_title("held out", loc="left", fontsize=10)
    grid[0][half].set_title("seen in training", loc="left", fontsize=10)
    return figure
