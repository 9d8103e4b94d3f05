"""A cold start: `rhinoise generate` as a person types it, from the shell to the picture on the disk."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.child import Child
from bench.section import Numbers, Row, Section, number, ratio
from rhinoise.workflows.defaults import DEFAULT_RECIPE

NEEDED = ("torch", "tokenizers", "safetensors.torch", "PIL.Image", "typer", "rich.progress")
"""What drawing a picture needs of others: arithmetic, tokens, weights, PNG, the command line."""
SIZES = (64, 256)


@contextmanager
def _opened(quick: bool, kernels: Child) -> Iterator[Callable[[], Numbers]]:
    with tempfile.TemporaryDirectory() as folder:
        with Child("bench.ours.sampler") as maker:
            for size in SIZES:
                maker.ask("start", recipe=DEFAULT_RECIPE, size=size, folder=f"{folder}/{size}")
        picture = Path(folder) / "picture.png"
        draw = {
            size: [
                *(sys.executable, "-m", "rhinoise", "generate", "a red heart"),
                *("--model", f"{folder}/{size}", "--out", str(picture)),
            ]
            for size in SIZES
        }
        load = [sys.executable, "-c", f"import {', '.join(NEEDED)}"]
        torch = [sys.executable, "-c", "import torch"]
        _run(draw[SIZES[0]])  # so that every file has been read once

        def measure() -> Numbers:
            found = {}
            for name, command in (("import", load), ("torch", torch)):
                found[name], found[f"{name}, memory"] = _run(command)
            for size in SIZES:
                found[f"{size}"], found[f"{size}, memory"] = _run(draw[size])
                picture.unlink()
            return found

        yield measure


def _run(command: Sequence[str]) -> tuple[float, float]:
    """A command's seconds and its largest memory, in MiB."""
    cores = {"OMP_NUM_THREADS": str(os.cpu_count())}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | cores
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


COLD = Section(
    name="cold",
    title="A cold start",
    about=(
        "`rhinoise generate` with a model of the default recipe, a new process each time, from the shell to "
        f"the PNG; beside it a process that only imports what it needs ({', '.join(NEEDED)})."
    ),
    rows=[
        *(
            Row(name=f"a picture of {size} x {size}, 20 steps", unit="s", of=number(f"{size}"))
            for size in SIZES
        ),
        Row(name="importing what it needs", unit="s", of=number("import")),
        Row(name="importing torch alone", unit="s", of=number("torch")),
        Row(
            name="a picture of 64 x 64 over importing what it needs",
            unit="x",
            of=ratio("64", "import"),
            at_most=1.5,
        ),
        *(
            Row(name=f"largest memory, {size} x {size}", unit="MiB", of=number(f"{size}, memory"))
            for size in SIZES
        ),
        Row(name="largest memory, importing what it needs", unit="MiB", of=number("import, memory")),
    ],
    opened=_opened,
)
