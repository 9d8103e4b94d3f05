"""`rhinoise train` as a person uses it: finished, gone on with, and stopped by Ctrl-C."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rhinoise.storage.run_folder import RunFolder

SECONDS = 60
"""Far more than anything here takes."""


def test_a_run_holds_its_recipe_its_log_and_a_model(trained: Path) -> None:
    run = RunFolder(trained)
    assert run.record()["recipe"]["images"] == 160
    assert run.record()["recipe"]["minutes"] is None
    assert {"autoencoder", "text", "denoiser", "held out"} == {entry["stage"] for entry in run.entries()}
    assert (run.model / "model_index.json").is_file()


def test_options_are_settings_of_the_recipe(
    cli: Callable, shapes: Path, tiny: list[str], tmp_path: Path
) -> None:
    options = (
        "--fit",
        "crop",
        "--background",
        "#102030",
        "--captions",
        "metadata",
        "--caption-lines",
        "--seed",
        3,
    )
    result = cli("train", shapes, "--out", tmp_path / "run", "--images", 8, *options, *tiny)
    assert result.exit_code == 0, result.stderr
    assert "recipe lean, 16 x 16 pixels, 8 pictures seen, seed 3" in result.stderr
    recipe = RunFolder(tmp_path / "run").record()["recipe"]
    assert recipe["seed"] == 3
    wanted = {"fit": "crop", "background": [16, 32, 48], "captions": "metadata", "caption_lines": True}
    assert wanted.items() <= recipe["data"].items()


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_ctrl_c_saves_and_the_command_that_is_told_goes_on(
    shapes: Path, tiny: list[str], tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "a run")
    command = [
        sys.executable,
        "-m",
        "rhinoise",
        "train",
        str(shapes),
        "--out",
        str(run.root),
        "--images",
        "800",
        *tiny,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: any(entry["stage"] == "denoiser" for entry in run.entries()), process)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert "stopping after this step" in told
    steps = [entry["step"] for entry in run.entries() if entry["stage"] == "denoiser"]
    assert 0 < steps[-1] < run.plan()["denoiser steps"]

    again = told.splitlines()[-1].partition("go on with: ")[2]
    assert shlex.split(again) == ["python", *command[1:]]
    done = subprocess.run(
        [sys.executable, *shlex.split(again)[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"denoiser: going on after step {steps[-1]} of" in done.stderr
    steps = [entry["step"] for entry in run.entries() if entry["stage"] == "denoiser"]
    assert steps == list(range(1, run.plan()["denoiser steps"] + 1))


def wait_for(ready: Callable[[], bool], process: subprocess.Popen) -> None:
    """Look again and again, as long as the process is at work, and not for ever."""
    end = time.monotonic() + SECONDS
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)
