"""What the README shows is what there is."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import rhinoise

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(
    r"^rhinoise .*$", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)), re.MULTILINE
)


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_verb_and_options(command: str, cli: Callable) -> None:
    _, verb, *words = shlex.split(command)
    told = cli(verb, "--help").stdout
    for word in words:
        if word.startswith("--"):
            assert word in told


def test_the_python_block_runs(trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(block.replace("runs/mine", str(trained)), names)  # our own README
    assert names["images"].shape[:2] == (4, 3)


def test_every_picture_and_file_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target


def test_every_public_name_is_there() -> None:
    for name in rhinoise.__all__:
        assert getattr(rhinoise, name) is not None
