"""The guide shows what its commands draw: text, figures, numbers and model belong together."""

import importlib.util
import json
import math
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AGAIN = ("drowning.json", "schedules.json", "two-spaces.json", "heart.film.json")
"""Numbers that take seconds, and are measured anew; for the others there is `make docs`."""
TOLERANCE = 0.02
"""Part of a number, or of 1, that another processor may make of difference."""
MOST_BYTES, MOST_IN_ALL = 150_000, 2_000_000


def _guide() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guide", ROOT / "docs/guide/guide.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["guide"] = module  # where the chapters import it from
    spec.loader.exec_module(module)
    return module


guide = _guide()
CHAPTERS = {chapter.stem: chapter for chapter in guide.chapters()}
DRAWINGS = [drawing for chapter in CHAPTERS.values() for drawing in guide.drawings(chapter)]
BY_FILE = {name: drawing for drawing in DRAWINGS for name in drawing.files}
TEXTS = [*CHAPTERS.values(), guide.GUIDE / "README.md"]


def test_there_are_four_chapters_with_three_figures_or_four() -> None:
    assert len(CHAPTERS) == 4
    for chapter in CHAPTERS.values():
        assert 3 <= len(re.findall(r"!\[", chapter.read_text(encoding="utf-8"))) <= 4


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.files[0])
def test_the_command_under_a_figure_is_one_that_rhinoise_understands(drawing: Any) -> None:
    from typer.main import get_command

    from rhinoise.cli import app

    verb, *words = drawing.words
    command = get_command(app).commands[verb]
    context = command.make_context(verb, words)
    assert str(context.params["out"]).startswith("drawn/")


def test_every_figure_was_drawn_by_the_command_under_it_with_the_bundled_model() -> None:
    made = guide.made()
    assert list(made) == [drawing.command for drawing in DRAWINGS], "run `make docs`"
    for drawing in DRAWINGS:
        record = made[drawing.command]
        assert record["model"] == guide.model_hash(), (
            f"another model drew {drawing.files[0]}: run `make docs`"
        )
        assert record["files"] == {name: guide.sha256(guide.FIGURES / name) for name in drawing.files}


def test_nothing_else_is_kept_and_figures_are_small() -> None:
    files = {file for file in guide.FIGURES.rglob("*") if file.is_file()} - {guide.MADE}
    assert files == {guide.FIGURES / name for name in BY_FILE}
    figures = [file.stat().st_size for file in files if file.suffix == ".png"]
    assert max(figures) <= MOST_BYTES
    assert sum(figures) <= MOST_IN_ALL


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_the_text_has_the_numbers_of_its_figures(text: Path) -> None:
    cogapp = pytest.importorskip("cogapp")
    assert cogapp.Cog().main(["cog", "--check", "--verbosity=0", str(text)]) == 0, "run `make docs`"


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_what_is_written_into_the_text_is_prose(text: Path) -> None:
    blocks = re.compile(r"^\]\]\] -->\n(.*?)^<!-- \[\[\[end", re.MULTILINE | re.DOTALL)
    written = blocks.findall(text.read_text(encoding="utf-8"))
    assert written
    for part in written:
        assert not re.search(r"[{}]|\bNone\b|\bnan\b", part), part


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)
def test_every_link_leads_somewhere(text: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", text.read_text(encoding="utf-8")):
        assert (text.parent / target).exists(), target


@pytest.mark.parametrize("name", AGAIN)
def test_numbers_still_hold(
    name: str, cli: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command of a figure, run again, writes the numbers that are kept."""
    shutil.copytree(guide.PICTURES, tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RHINOISE_CACHE", str(tmp_path / "cache"))
    result = cli(*BY_FILE[name].words)
    assert result.exit_code == 0, result.stderr
    found = json.loads((tmp_path / "drawn" / name).read_text(encoding="utf-8"))
    kept = guide.numbers(name.removesuffix(".json"))
    assert list(differences(guide.rounded(found), kept)) == []


def differences(found: Any, kept: Any, place: str = "") -> Any:
    """Where two JSON values are not the same, numbers within TOLERANCE."""
    match found, kept:
        case dict(), dict() if found.keys() == kept.keys():
            for key in kept:
                yield from differences(found[key], kept[key], f"{place}/{key}")
        case list(), list() if len(found) == len(kept):
            for index, (one, other) in enumerate(zip(found, kept, strict=True)):
                yield from differences(one, other, f"{place}/{index}")
        case ((int() | float()), (int() | float())):
            if not math.isclose(found, kept, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                yield place, found, kept
        case _ if found != kept:
            yield place, found, kept


def test_numbers_that_moved_are_seen() -> None:
    """What compares would not let a wrong number, or a missing one, pass."""
    kept = guide.numbers("drowning")
    frame = kept["pixels"][5]
    moved = kept | {"pixels": [*kept["pixels"][:5], frame | {"correlation": frame["correlation"] + 0.05}]}
    assert list(differences(moved, kept))
    longer = [*kept["pixels"][:5], frame | {"correlation": frame["correlation"] + 0.05}, *kept["pixels"][6:]]
    assert [place for place, *_ in differences(kept | {"pixels": longer}, kept)] == ["/pixels/5/correlation"]
