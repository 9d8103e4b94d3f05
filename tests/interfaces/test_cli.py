"""The command line: what it prints, and how it ends."""

import errno
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import rhinoise
from rhinoise.workflows import forward as forward_workflow
from rhinoise.workflows.catalogue import TABLES

VERBS = (
    "train",
    "generate",
    "forward",
    "schedules",
    "reconstruct",
    "distil",
    "evaluate",
    "levels",
    "inspect",
    "atlas",
    "convert",
    "list",
    "serve",
)
COMMANDS = {
    "the installed command": [str(Path(sys.executable).with_name("rhinoise"))],
    "the module": [sys.executable, "-m", "rhinoise"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_it_starts_both_ways_and_at_once(command: str) -> None:
    started = time.monotonic()
    done = subprocess.run([*COMMANDS[command], "--help"], capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 5  # half a second where nothing else runs
    assert all(verb in done.stdout for verb in VERBS)
    done = subprocess.run(
        [*COMMANDS[command], "forward", "no.png"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example_that_is_one_command(verb: str, cli: Callable) -> None:
    text = " ".join(cli(verb, "--help").stdout.split())
    assert f"Example: rhinoise {verb} " in text


def test_the_version(cli: Callable) -> None:
    assert cli("--version").stdout.split() == ["rhinoise", rhinoise.__version__]


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_is_listed_and_every_entry_described(kind: str, cli: Callable) -> None:
    entries, _ = TABLES[kind]
    lines = cli("list", kind).stdout.splitlines()
    for name in entries:
        assert any(re.match(rf" {re.escape(name)} +\S", line) for line in lines), name


def test_everything_is_listed_when_nothing_is_asked_for(cli: Callable) -> None:
    assert set(TABLES) <= {line.strip() for line in cli("list").stdout.splitlines()}


# --- bad input: exit code 2, and one sentence that says what is wrong and what would be right


@pytest.fixture
def given(trained: Path, shapes: Path, tmp_path: Path) -> dict[str, str]:
    """What the words of a command may name."""
    (tmp_path / "file").write_text("here")
    (tmp_path / "notes.png").write_text("no picture")
    Image.new("L", (48, 40)).save(tmp_path / "black.png")
    for name in ("own/1.png", "sheet/grid.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (48, 40)).save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun").mkdir()
    shutil.copy(trained / "recipe.json", tmp_path / "begun")
    (tmp_path / "newer").mkdir()
    shutil.copytree(trained / "model", tmp_path / "half")
    weights = next((tmp_path / "half").glob("*/diffusion_pytorch_model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    return {
        "RUN": str(trained),
        "MODEL": str(trained.with_name("shapse")),
        "SHAPES": str(shapes),
        "PICTURE": str(shapes / "red-bar.png"),
        "MISTYPED": str(shapes / "red-baar.png"),
        "TMP": str(tmp_path),
    }


GENERATE = "generate x --model RUN --out TMP/out"
FORWARD = "forward PICTURE --out TMP/strip.png"
BAD = {
    f"{GENERATE} --sampler dpm": "did you mean 'dpmpp_2m'",
    f"{GENERATE} --spacing karas": "did you mean 'karras'",
    f"{GENERATE} --steps 0": "steps is a number from 1 to 1000, not 0",
    f"{GENERATE} --count 0": "from 1 to 4096, not 0",
    f"{GENERATE} --seed -1": "a seed is a whole number from 0",
    f"{GENERATE} --guidance -1": "guidance is from 0",
    f"{GENERATE} --precision fp8": "unknown precision 'fp8'",
    f"{GENERATE} --size 512": "draws pictures of 16 x 16 pixels, not 512",
    f"{GENERATE} --strength 0.5": "--image",
    f"{GENERATE} --mask PICTURE": "--image",
    f"{GENERATE} --image PICTURE --strength 1.5": "at most 1 (all new), not 1.5",
    f"{GENERATE} --image PICTURE --fit stretch": "unknown fit 'stretch'",
    f"{GENERATE} --image MISTYPED": "red-bar.png",
    f"{GENERATE} --image TMP/notes.png": "it is a text file, wanted one of PNG",
    f"{GENERATE} --image PICTURE --mask TMP/black.png": "black everywhere",
    "generate x --model RUN --out TMP/file": "is a file, wanted a folder",
    "generate x y --model RUN --out TMP/one.png": "2 pictures do not fit into one file",
    "generate x --model RUN --out TMP/one.jpg": "named like a picture",
    "generate x --model MODEL --out TMP/out": "did you mean",
    "generate x --model bundeld --out TMP/out": "did you mean bundled?",
    "train emoji_composd --out TMP/run": "did you mean emoji_composed?",
    "generate x --model TMP/empty --out TMP/out": "is not a model folder",
    "generate x --model TMP/begun --out TMP/out": "has no model yet: train it first",
    "generate x --model TMP/half --out TMP/out": "half written",
    f"{FORWARD} --schedule cosin": "did you mean 'cosine'",
    f"{FORWARD} --steps 0": "from 1 to 1000, not 0",
    "forward PICTURE --out TMP": "is a folder, wanted a file",
    "forward PICTURE --out TMP/strip.gif": "strip.png",
    "forward TMP --out TMP/strip.png": "not a file",
    "reconstruct PICTURE --model RUN --out TMP/out --count 1": "at least 2 pictures",
    "reconstruct PICTURE --model RUN --out TMP/out --strength 0": "above 0",
    "reconstruct PICTURE --model RUN --out TMP/out --curve --strength 0.5": "leave --strength out",
    "schedules cosin --out TMP/curves.png": "did you mean 'cosine'",
    "forward PICTURE --out TMP/strip.png --model MODEL": "did you mean",
    "levels RUN --pictures 1": "--pictures is a number from 2",
    "levels RUN/model": "say --data FOLDER",
    "evaluate TMP/empty": "is not a model folder",
    "evaluate TMP/begun": "train it first",
    "evaluate RUN/model": "say --data FOLDER",
    "list sampler": "did you mean 'samplers'",
    "train SHAPES --out TMP/run --recipe leen": "did you mean 'lean'",
    "train SHAPES --out TMP/run --set netwrk.depth=2": "did you mean 'network'",
    "train SHAPES --out TMP/run --set network.depth=two": "network.depth",
    "train SHAPES --out TMP/run --minutes 1 --images 100": "give one of them",
    "train SHAPES --out TMP/run --minutes 0": "above 0",
    "train SHAPES --out TMP/run --size 63": "take 56 or 64",
    "train SHAPES --out TMP/run --fit stretch": "stretch",
    "train SHAPES --out TMP/run --captions sidecars": "did you mean 'sidecar'",
    "train SHAPES --out TMP/run --background whit": "'whit' is not a colour",
    f"{GENERATE} --image PICTURE --paste": "--mask",
    "generate x --model RUN --image PICTURE --out PICTURE": "may not be overwritten",
    "generate x --model RUN --image PICTURE --mask TMP/black.png --out TMP/black.png": "not be overwritten",
    "generate x --model RUN --out PICTURE": "is there already, and not from rhinoise",
    "generate x y --model RUN --out TMP/sheet": "grid.png is there already",
    "forward PICTURE --out PICTURE": "may not be overwritten",
    "forward PICTURE --out TMP/black.png": "is there already, and not from rhinoise",
    "reconstruct TMP/own/1.png --model RUN --out TMP/own": "1.png is to be read",
    "reconstruct PICTURE --model RUN --out TMP/own": "1.png is there already",
    "train SHAPES --out TMP/file/run": "a file is where a folder should be",
    "generate x --model RUN --out TMP/file/out": "a file is where a folder should be",
    "forward PICTURE --out TMP/file/strip.png": "a file is where a folder should be",
    "train SHAPES --out TMP/file": "is a file",
    "train SHAPES --out SHAPES": "choose another --out",
    "train TMP/nothing --out TMP/run": "there is no folder",
    "train SHAPES --out RUN": "holds another training",
}


@pytest.mark.parametrize("words", BAD)
def test_what_a_person_can_mend_is_one_sentence(words: str, cli: Callable, given: dict[str, str]) -> None:
    command = words
    for name, value in given.items():
        command = command.replace(name, value)
    result = cli(*command.split())
    assert result.exit_code == 2, (result.stdout, result.stderr, result.exception)
    assert result.stdout == ""
    sentence = result.stderr.splitlines()[-1]
    assert sentence.startswith("rhinoise: ")
    assert BAD[words] in sentence
    assert "Traceback" not in result.stderr


def test_what_no_person_can_mend_keeps_its_traceback(
    cli: Callable, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(forward_workflow, "save_figure", broken)
    result = cli("forward", given["PICTURE"], "--out", f"{given['TMP']}/strip.png")
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "rhinoise: the disk is full: free some space"),
        (PermissionError(errno.EACCES, "Denied", "here"), 2, "rhinoise: here: it may not be read or written"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_what_the_system_refuses_is_told_in_a_sentence(
    error: BaseException,
    code: int,
    sentence: str,
    cli: Callable,
    given: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*words: object) -> None:
        raise error

    monkeypatch.setattr(forward_workflow, "save_figure", stopped)
    result = cli("forward", given["PICTURE"], "--out", f"{given['TMP']}/strip.png")
    assert result.exit_code == code
    assert result.stderr.splitlines()[-1].startswith(sentence)


def test_a_run_remembers_its_folder_of_pictures_from_the_root_on(
    cli: Callable, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("train", ".", "--out", tmp_path / "run", "--images", 160, *tiny).exit_code == 2
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["source"] == str(tmp_path.resolve())


def test_what_was_drawn_may_be_drawn_over(cli: Callable, shapes: Path, tmp_path: Path) -> None:
    for _ in range(2):
        result = cli("forward", shapes / "red-bar.png", "--steps", 1, "--out", tmp_path / "strip.png")
        assert result.exit_code == 0, result.stderr


def test_convert_tells_what_a_folder_is_and_copies_it(trained: Path, tmp_path: Path, cli: Callable) -> None:
    told = cli("convert", trained).stdout
    assert "rhinoise alone: diffusers has no PatchAutoencoder and no UViT" in " ".join(told.split())
    done = cli("convert", trained, "--out", tmp_path / "copy", "--weights", "bf16")
    assert done.exit_code == 0
    assert str(tmp_path / "copy") in done.stdout
    assert (tmp_path / "copy" / "README.md").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "{run}", "--size", "32"], "draws 16 x 16 pixels and learns no others: leave --size out"),
        (["--from", "{run}", "--set", "network.depth=9"], "leave --set network out"),
        (["--from", "{run}", "--adapt", "half"], "full, low-rank, both"),
        (["--from", "nowhere"], "there is no model folder nowhere"),
        (["--adapt", "full"], "--from bundled"),
    ],
)
def test_starting_from_a_model_is_refused_in_a_sentence(
    trained: Path, shapes: Path, tmp_path: Path, cli: Callable, words: list[str], told: str
) -> None:
    words = [word.format(run=trained) for word in words]
    done = cli("train", shapes, "--out", tmp_path / "run", *words)
    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()
