"""A job accepted is a job done, also where the server is killed in the middle and started again."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from rhinoise.workflows.generate import DrawRequest, generate

PATIENCE = 120.0
PROMPTS = ("a red circle", "a blue square", "a green ring", "an orange bar", "a blue slash")


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """`rhinoise serve`, as a process, and its address."""
    command = [sys.executable, "-m", "rhinoise", "serve", "--port", "0", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[3]
    finally:
        process.kill()
        process.communicate()


def wait_for(address: str) -> None:
    until = time.monotonic() + PATIENCE
    while httpx.get(f"{address}/ready").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


def drawn_in_one_go(model: Path, prompt: str, seed: int, folder: Path) -> np.ndarray:
    for _ in generate(DrawRequest(model=str(model), prompts=(prompt,), seed=seed, steps=100, out=folder)):
        pass
    return np.asarray(Image.open(next(folder.glob("*.png"))), int)


def test_every_accepted_job_ends_and_draws_the_same(
    trained: Path, shapes: Path, tiny: list[str], api_at: Callable[[str], Any], tmp_path: Path
) -> None:
    words = ["--model", str(trained), "--pictures", str(shapes), "--data", str(tmp_path / "data")]
    training = {"kind": "train", "source": shapes.name, "recipe": "lean", "size": 16, "images": 160}
    training["settings"] = [word for word in tiny if "=" in word]
    with started(*words) as (process, address):
        api = api_at(address)
        put_off = api.submit(**training, name="put-off")  # before the worker is up
        assert api.post(f"jobs/{put_off}/pause").json()["state"] == "paused"
        wait_for(address)
        trained_here = api.submit(**training, name="went-on")
        accepted = [
            api.submit(kind="generate", prompt=prompt, seed=seed, steps=100)
            for seed, prompt in enumerate(PROMPTS)
        ]
        api.until(trained_here, "progress")
        process.send_signal(signal.SIGKILL)
        process.wait()

    with started(*words) as (process, address):
        api = api_at(address)
        assert api.job(put_off)["state"] == "paused"
        assert [api.ended(id)["state"] for id in [*accepted, trained_here]] == ["done"] * 6
        for seed, (id, prompt) in enumerate(zip(accepted, PROMPTS, strict=True)):
            (picture,) = api.pictures(id)
            expected = drawn_in_one_go(trained, prompt, seed, tmp_path / str(seed))
            assert np.abs(picture - expected).max() <= 1
        assert [model["name"] for model in api.get("models").json()][1:] == ["went-on"]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    words = ["--data", str(tmp_path)]
    with started(*words):
        command = [sys.executable, "-m", "rhinoise", "serve", "--port", "0", *words]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert second.stderr.startswith("rhinoise: another server is at work on")
