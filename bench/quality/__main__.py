"""`python -m bench.quality`: who draws better after how many minutes; `--help` says what can be chosen.

Runs for hours, in the background: kill it at any moment and give the same command again. Every finished job
(who, seed, budget) is a JSON file in the work folder, and after each bench/quality.md, bench/quality.json
and the figures in docs/ are written anew, so that what is there at any time is a result.
"""

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.child import ROOT, Child, ChildError
from bench.environment import peers_python
from bench.machine import versions
from bench.quality import report
from bench.quality.contestants import BUDGETS, CONTESTANTS, LONGEST, Job, gone_past, jobs, minutes_to_train
from bench.quality.drawn import CHUNK, read_chunks
from bench.quality.pictures import Pictures, prepare
from bench.quality.scores import Judge
from rhinoise.core.errors import RhinoiseError
from rhinoise.core.files import cache_folder, locked, read_json, write_json

SLICE = 20.0
"""Seconds that a training is let go on: within that, the children of a killed command end."""
WEIGHTS = ("raw", "ema")


def main(arguments: Sequence[str]) -> None:
    """Plan, then job by job: train, draw, judge, report."""
    options = _options(arguments)
    if options.clock == "cpu" and options.threads != 1:
        sys.exit("--clock cpu tells the work of one thread: give --threads 1 with it")
    every = jobs(options.who, options.budgets, options.seeds, options.longest)
    settings = {name: getattr(options, name) for name in ("clock", "threads", "samples")}
    results = options.work / "results"
    done = {file.stem for file in results.glob("*.json")}
    if missed := gone_past(every, done):
        names = ", ".join(job.name for job in missed)
        sys.exit(
            f"{names}: their trainings have gone past that; leave these budgets out, or give another --work"
        )
    print(plan(every, done, options.samples), flush=True)
    if options.plan:
        return
    with locked(options.work):
        _claim(options.work / "settings.json", settings)
        pictures = prepare(cache_folder(), options.work / "given", options.samples)
        judge = Judge(pictures, options.work / "given")
        controls = options.work / "controls.json"
        if not controls.is_file():
            write_json(controls, judge.controls(options.samples))
        report.write(options.work, every, pictures, settings, ROOT)
        for job in every:
            if job.name not in done:
                write_json(results / f"{job.name}.json", record(job, options, pictures, judge))
                _clear(job, options.work)
                report.write(options.work, every, pictures, settings, ROOT)


def record(job: Job, options: argparse.Namespace, pictures: Pictures, judge: Judge) -> dict[str, Any]:
    """What came of a job; a training that is refused, as where a budget is too short, is a result too."""
    try:
        return run(job, options, pictures, judge)
    except ChildError as error:
        why = str(error).strip().splitlines()[-1]
        _say(f"{job.name}: refused, {why}")
        return {"who": job.who, "seed": job.seed, "budget": job.budget, "refused": why}


def run(job: Job, options: argparse.Namespace, pictures: Pictures, judge: Judge) -> dict[str, Any]:
    """One job, or what is left of it => its record."""
    who = CONTESTANTS[job.who]
    began, load = time.time(), os.getloadavg()[0]
    folder, drawn = options.work / "trainings" / job.training, options.work / "drawn" / job.name
    environment = who.environment | {"OMP_NUM_THREADS": str(options.threads)}
    if who.ours:
        # The pictures are there; latents and embeddings of another training must not be.
        environment["RHINOISE_CACHE"] = str(folder / "cache")
        (folder / "cache").mkdir(parents=True, exist_ok=True)
        link = folder / "cache" / "pictures"
        if not link.is_symlink():
            link.symlink_to((cache_folder() / "pictures").absolute(), target_is_directory=True)
    python = sys.executable if who.ours else peers_python()
    with Child(who.module, python=python, environment=environment) as child:
        facts = child.ask(
            "open",
            folder=str(folder.absolute()),
            given=str((options.work / "given").absolute()),
            seed=job.seed,
            minutes=job.budget,
            clock=options.clock,
        )
        while not facts["done"]:
            facts = child.ask("train", slice_seconds=SLICE)
            _say(f"{job.name}: {facts['seconds'][options.clock] / 60:.1f} min, step {facts['steps']}")
        trained, load = time.time(), max(load, os.getloadavg()[0])
        captions = pictures.asked_captions
        for weights in WEIGHTS:
            for first in range(0, len(captions), CHUNK):
                part = captions[first : first + CHUNK]
                out = str((drawn / weights).absolute())
                child.ask("draw", weights=weights, first=first, captions=part, out=out)
            _say(f"{job.name}: drew {len(captions)} by its {weights} weights")
    scores = {}
    for weights in WEIGHTS:
        scores[weights] = judge.score(read_chunks(drawn / weights), by_caption=who.by_caption)
    return {
        "who": job.who,
        "seed": job.seed,
        "budget": job.budget,
        **facts,
        "load": round(load, 2),
        "drawing_seconds": round(time.time() - trained, 1),
        "commit": versions()["rhinoise"],
        "began": time.strftime("%Y-%m-%d %H:%M", time.gmtime(began)),
        "scores": scores,
    }


def plan(every: Sequence[Job], done: set[str], samples: int) -> str:
    """Which jobs there are, and about how long each takes, in words."""
    lines, total = [], 0.0
    for job in every:
        drawing = len(WEIGHTS) * samples * CONTESTANTS[job.who].seconds_a_picture / 60
        minutes = minutes_to_train(job, list(every)) + drawing
        is_done = job.name in done
        total += 0 if is_done else minutes
        state = "done" if is_done else f"about {math.ceil(minutes)} min, {math.ceil(drawing)} of them drawing"
        lines.append(f"  {job.who:18} seed {job.seed}  {job.budget:4g} min   {state}")
    return "\n".join([f"{len(every)} jobs, about {total / 60:.1f} hours of one core to go:", *lines])


def _claim(file: Path, settings: dict[str, Any]) -> None:
    """One folder holds one comparison."""
    if file.is_file() and read_json(file) != settings:
        sys.exit(
            f"{file.parent} holds a comparison with other settings, {read_json(file)}: give another --work"
        )
    write_json(file, settings)


def _clear(job: Job, work: Path) -> None:
    """A training that nobody goes on with leaves its pictures alone."""
    if not CONTESTANTS[job.who].one_training:
        shutil.rmtree(work / "trainings" / job.training, ignore_errors=True)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    def numbers(text: str) -> list[float]:
        return sorted(float(part) for part in text.split(","))

    def names(text: str) -> list[str]:
        for name in text.split(","):
            if name not in CONTESTANTS:
                raise argparse.ArgumentTypeError(f"'{name}' is not one of {', '.join(CONTESTANTS)}")
        return text.split(",")

    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    add = parser.add_argument
    add("--who", type=names, default=list(CONTESTANTS), help=f"of {', '.join(CONTESTANTS)}")
    add("--budgets", type=numbers, default=list(BUDGETS), help="minutes: 3,6,12,30")
    add("--longest", type=float, default=LONGEST, help="minutes after which a peer is stopped")
    add("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1])
    add("--samples", type=int, default=256, help="pictures drawn for each look; 40 or more")
    add("--threads", type=int, default=cores)
    add("--clock", choices=("wall", "cpu"), default="wall", help="what minutes are told by")
    add("--work", type=Path, default=ROOT / "bench" / ".quality", help="where trainings and results are")
    add("--plan", action="store_true", help="say what would be done, and stop")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except RhinoiseError as error:
        sys.exit(str(error))
