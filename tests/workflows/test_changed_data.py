"""A run that goes on with other pictures than it began with would be a different run under the same name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize("change", ["a caption", "a picture"])
def test_changed_data_is_noticed(
    change: str, cli: Callable, shapes: Path, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path / "cache"))
    folder, command = tmp_path / "mine", ("--out", tmp_path / "run", "--images", 16, *tiny)
    shutil.copytree(shapes, folder)
    assert cli("train", folder, *command).exit_code == 0
    assert cli("train", folder, *command).exit_code == 0
    table = folder / "metadata.csv"
    if change == "a caption":
        table.write_text(table.read_text().replace("a red ring", "a crimson ring"))
    else:
        (folder / "red-ring.png").unlink()
    result = cli("train", folder, *command)
    assert result.exit_code == 2
    assert "have changed since" in result.stderr
