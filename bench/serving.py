"""`python -m bench.serving`: what it costs to draw through the server, and how many it serves at once.

Writes serving.json and serving.md beside results.md; figures want a quiet machine. `--quick` is a look at
whether all of it runs, kept apart in quick.serving.md. `--model` is the model that draws.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.environment import HERE
from bench.machine import machine, versions
from bench.report import figures
from rhinoise.core.files import write_json, write_text

NEEDED = ("fastapi", "gradio", "uvicorn", "pydantic", "PIL.Image", "prometheus_client")
"""What the server needs of others before it answers."""
PROMPT = "a red heart"
PATIENCE = 600.0


def main(arguments: Sequence[str]) -> None:
    """Measure everything, once."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look, in some minutes")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long 64 clients ask")
    asked = parser.parse_args(arguments)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        found |= start_up(asked.model, Path(folder) / "start", rounds=1 if asked.quick else 3)
        with served(asked.model, Path(folder) / "data") as address:
            wait_for(f"{address}/ready")
            with clients(address, 1) as (client,):
                draw(client, seed=0)  # the model is loaded
            found |= first_preview(address, rounds=2 if asked.quick else 5)
            found |= overhead(address, asked.model, Path(folder), rounds=3 if asked.quick else 9)
            found |= throughput(address, pictures=2 if asked.quick else 4)
            seconds = 5.0 if asked.quick else asked.seconds
            for who, midway in CROWDS.items():
                told = crowd(address, seconds, midway=midway)
                found |= {f"{who}: {name}": value for name, value in told.items()}
    name = "quick.serving" if asked.quick else "serving"
    write_json(HERE / f"{name}.json", {"machine": machine(), "versions": versions(), "found": found})
    write_text(HERE / f"{name}.md", report(found))
    print(report(found))


# --- a server, and who asks it


@contextmanager
def served(model: str, data: Path) -> Iterator[str]:
    """`rhinoise serve`, running; its address."""
    command = [
        sys.executable,
        "-m",
        "rhinoise",
        "serve",
        "--port",
        "0",
        "--model",
        model,
        "--data",
        str(data),
    ]
    with (data.parent / f"{data.name}.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | _cores()
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[3]
        finally:
            process.terminate()
            process.wait(60)
            process.stdout.close()


def wait_for(address: str) -> None:
    """Until it answers that all is well."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if httpx.get(address).status_code == 200:
            return
        time.sleep(0.02)
    raise TimeoutError(f"{address} was not well in time")


def submit(client: httpx.Client, **ask: Any) -> str | None:
    """A job's id; None where the queue was full."""
    answer = client.post("/api/v1/jobs", json={"kind": "generate", "prompt": PROMPT, "count": 1} | ask)
    if answer.status_code == 429:
        return None
    return str(answer.raise_for_status().json()["id"])


def events(client: httpx.Client, id: str) -> Iterator[Mapping[str, Any]]:
    """What is told of a job until it ends."""
    with client.stream("GET", f"/api/v1/jobs/{id}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def draw(client: httpx.Client, **ask: Any) -> float:
    """Seconds from asking for pictures until they are there."""
    began = time.perf_counter()
    id = submit(client, **ask)
    assert id is not None
    last = [told for told in events(client, id) if told["event"] == "state"][-1]
    assert last["state"] == "done", last
    return time.perf_counter() - began


@contextmanager
def clients(address: str, number: int) -> Iterator[list[httpx.Client]]:
    """So many who ask, each with a connection of its own that is there already."""
    with ExitStack() as opened:
        many = [opened.enter_context(httpx.Client(base_url=address, timeout=PATIENCE)) for _ in range(number)]
        for client in many:
            client.get("/health")
        yield many


# --- what is measured


def start_up(model: str, data: Path, rounds: int) -> dict[str, float]:
    """Until the server answers, and its page can be used, beside a process that imports what it needs.

    The models are loaded meanwhile, on the same cores.
    """
    found: dict[str, list[float]] = {}
    with browser() as opened:
        for number in range(rounds):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", f"import {', '.join(NEEDED)}"], check=True, env=os.environ | _cores()
            )
            found.setdefault("importing, s", []).append(time.perf_counter() - began)
            began = time.perf_counter()
            with served(model, data.with_name(f"{data.name}-{number}")) as address:
                wait_for(f"{address}/health")
                found.setdefault("answering, s", []).append(time.perf_counter() - began)
                if opened is not None:
                    page = opened.new_page()
                    page.goto(address)
                    page.locator("#draw:not([disabled])").wait_for(timeout=1000 * PATIENCE)
                    found.setdefault("page usable, s", []).append(time.perf_counter() - began)
                    page.close()
                wait_for(f"{address}/ready")
                found.setdefault("ready to draw, s", []).append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, without a window; None where there is none."""
    program = shutil.which("chromium")
    if program is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def first_preview(address: str, rounds: int) -> dict[str, float]:
    """From asking until the first step's preview is there; the model is loaded."""
    seconds = []
    with httpx.Client(base_url=address, timeout=PATIENCE) as client:
        for seed in range(rounds):
            began = time.perf_counter()
            id = submit(client, seed=seed, preview=True)
            assert id is not None
            for told in events(client, id):
                if told["event"] == "preview":
                    seconds.append(time.perf_counter() - began)
                    break
            for _ in events(client, id):
                pass
    return {"first preview, s": statistics.median(seconds)}


def overhead(address: str, model: str, folder: Path, rounds: int) -> dict[str, float]:
    """One picture through the server, and by `workflows.generate` in this process, in turn."""
    from rhinoise.workflows.generate import DrawRequest, generate
    from rhinoise.workflows.opened import keep_open

    keep_open(1)

    def here(seed: int) -> float:
        began = time.perf_counter()
        for _ in generate(
            DrawRequest(model=model, prompts=(PROMPT,), seed=seed, out=folder / f"here-{seed}")
        ):
            pass
        return time.perf_counter() - began

    here(rounds)  # the model is loaded
    with clients(address, 1) as (client,):
        pairs = [(here(seed), draw(client, seed=seed)) for seed in range(rounds)]
    inside = statistics.median(one for one, _ in pairs)
    more = statistics.median(other - one for one, other in pairs)
    return {"in process, s": inside, "overhead, ms": 1000 * more, "overhead, %": 100 * more / inside}


def throughput(address: str, pictures: int) -> dict[str, float]:
    """Pictures per second that one client gets, and that 16 get together."""
    with clients(address, 16) as many:
        began = time.perf_counter()
        for seed in range(pictures):
            draw(many[0], seed=seed)
        alone = pictures / (time.perf_counter() - began)
        began = time.perf_counter()
        with ThreadPoolExecutor(len(many)) as pool:
            list(pool.map(lambda one: [draw(one, seed=seed) for seed in range(pictures)], many))
        together = len(many) * pictures / (time.perf_counter() - began)
    return {"one client, pictures/s": alone, "16 clients, pictures/s": together, "gain": together / alone}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A job that a client was told is accepted, and what it was told of it until its end."""

    id: str
    seed: int
    seconds: float
    done: int
    """How often it was told that it is done."""


def crowd(
    address: str, seconds: float, number: int = 64, midway: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """So many clients for so long: every job accepted must end once, with one picture of its own.

    `midway` is called after half of the time.
    """

    def one(place: int, client: httpx.Client, until: float) -> list[Asked]:
        asked: list[Asked] = []
        while time.monotonic() < until:
            seed, began = place * 100_000 + len(asked), time.perf_counter()
            id = submit(client, seed=seed)
            if id is None:
                time.sleep(0.5)
                continue
            done = sum(told.get("state") == "done" for told in events(client, id))
            asked.append(Asked(id=id, seed=seed, seconds=time.perf_counter() - began, done=done))
        return asked

    timer = threading.Timer(seconds / 2, midway)
    with clients(address, number) as many, ThreadPoolExecutor(number) as pool:
        began = time.monotonic()
        timer.start()
        until = [began + seconds] * number
        asked = [job for jobs in pool.map(one, range(number), many, until) for job in jobs]
        took = time.monotonic() - began
    with httpx.Client(base_url=address, timeout=PATIENCE) as client:
        pictures = {job.id: _pictures(client, job) for job in asked}
    latencies = sorted(job.seconds for job in asked)
    return {
        "accepted": len(asked),
        "done": sum(job.done == pictures[job.id] == 1 for job in asked),
        "lost": sum(job.done == 0 or pictures[job.id] == 0 for job in asked),
        "doubled": sum(job.done > 1 or pictures[job.id] > 1 for job in asked),
        "pictures/s": len(asked) / took,
        "latency p50, s": latencies[len(latencies) // 2],
        "latency p95, s": latencies[int(0.95 * (len(latencies) - 1))],
    }


def _pictures(client: httpx.Client, job: Asked) -> int:
    """How many pictures of its seed a job has, by what the server says afterwards."""
    files = client.get(f"/api/v1/jobs/{job.id}").json()["files"]
    return sum(f"-{job.seed}-" in name for name in files)


def kill_worker() -> None:
    """SIGKILL, as where memory runs out."""
    children = psutil.Process().children(recursive=True)
    (worker,) = [child for child in children if "rhinoise.server.worker" in child.cmdline()]
    worker.kill()


CROWDS: Mapping[str, Callable[[], None]] = {
    "64 clients": lambda: None,
    "64 clients, the worker killed midway": kill_worker,
}
"""Who asks at once => what happens midway."""
AIMS: Mapping[str, tuple[str, Callable[[Mapping[str, float]], bool]]] = {
    "page usable, s": (
        "<= 1.5 x importing",
        lambda found: found["page usable, s"] <= 1.5 * found["importing, s"],
    ),
    "first preview, s": ("< 1", lambda found: found["first preview, s"] < 1),
    "overhead, ms": ("< 20 ms or 5 %", lambda found: found["overhead, ms"] < 20 or found["overhead, %"] < 5),
    "gain": (">= 2.5", lambda found: found["gain"] >= 2.5),
} | {
    f"{who}: {name}": ("0", lambda found, name=f"{who}: {name}": found[name] == 0)
    for who in CROWDS
    for name in ("lost", "doubled")
}


def report(found: Mapping[str, float]) -> str:
    """The figures as a table."""
    lines = ["# The server, measured", "", f"On {machine()['cpu']}, {machine()['cores']} cores.", ""]
    lines += ["| what | | aim | |", "|---|---:|---|---|"]
    for name, value in found.items():
        aim, met = AIMS.get(name, ("", lambda found: True))
        verdict = ("met" if met(found) else "**missed**") if aim else ""
        lines.append(f"| {name} | {figures(value)} | {aim} | {verdict} |")
    return "\n".join(lines) + "\n"


def _cores() -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(os.cpu_count())}


if __name__ == "__main__":
    main(sys.argv[1:])
