"""The lab book of a trained run: in a real browser, on paper, and of runs that lack this or that."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhinoise.storage.run_folder import RunFolder

CHAPTERS = [
    "data",
    "plan",
    "autoencoder",
    "forward",
    "loss",
    "samples",
    "film",
    "variance",
    "atlas",
    "attention",
    "replicas",
    "scores",
    "next",
]
SHORT = ["data", "plan", "autoencoder", "loss", "samples", "scores", "next", "more"]


@pytest.fixture(scope="module")
def book(cli: Callable, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, with its whole report."""
    run = shutil.copytree(trained, tmp_path_factory.mktemp("book") / "run")
    before = contents(run)
    result = cli("report", run)
    assert result.exit_code == 0, result.stderr
    assert contents(run) == before
    assert result.stdout.split() == [str(run / "report.html"), str(run / "report.json")]
    return run


def contents(run: Path) -> dict[str, bytes]:
    """Every file but the report."""
    files = (file for file in run.rglob("*") if file.is_file() and file.stem != "report")
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def told(page: Path) -> dict[str, Any]:
    """The numbers, which are plain JSON, without NaN or infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(page.with_suffix(".json").read_text(encoding="utf-8"), parse_constant=refuse)


def test_a_training_leaves_the_short_form(trained: Path) -> None:
    found = told(trained / "report.html")
    assert not found["whole"]
    assert [name for name in found if name in {*CHAPTERS, "more"}] == SHORT
    assert found["plan"]["finished"]
    assert {stage["name"] for stage in found["plan"]["stages"]} == {"autoencoder", "text", "denoiser"}


def test_the_whole_book_leaves_nothing_out(book: Path) -> None:
    found = told(book / "report.html")
    assert [name for name in found if name in CHAPTERS] == CHAPTERS
    left = [name for name in CHAPTERS if found[name].get("left out")]
    assert left == ["scores"]  # nobody has evaluated this run
    assert found["data"]["learnt"] + found["data"]["held_out"] == 24
    assert len(found["film"]["by_step"]) == found["film"]["steps"] == 2
    assert "few pictures" in {advice["rule"] for advice in found["next"]["advice"]}


def test_the_whole_book_stays_when_the_training_is_asked_for_again(book: Path) -> None:
    from rhinoise.workflows.report import short_report

    assert list(short_report(RunFolder(book))) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_whole_and_asks_for_nothing(visiting: Callable, book: Path, width: int, scheme: str) -> None:
    with visiting(book / "report.html", width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing sticks out
        assert page.locator("section").count() == page.locator("nav li").count() == len(CHAPTERS)
        targets = page.evaluate("[...document.querySelectorAll('nav a')].map(a => a.hash.slice(1))")
        assert targets == CHAPTERS
        assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")


def test_it_can_be_printed(visiting: Callable, book: Path) -> None:
    with visiting(book / "report.html", scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator(".film").is_visible()
        assert page.pdf()[:5] == b"%PDF-"


# --- runs that lack this or that


def without_model(run: RunFolder) -> None:
    """Killed before the first look: no model, no samples, a log cut in the middle of a line."""
    shutil.rmtree(run.model)
    shutil.rmtree(run.samples)
    lines = run.log.read_text().splitlines()
    kept = [line for line in lines if '"autoencoder"' in line]
    run.log.write_text("\n".join(kept) + '\n{"stage": "auto')


def without_anything(run: RunFolder) -> None:
    """Claimed, and killed at once."""
    for name in ("plan.json", "log.jsonl", "skipped.csv"):
        (run.root / name).unlink()
    shutil.rmtree(run.model)
    shutil.rmtree(run.samples)


def without_pictures(run: RunFolder) -> None:
    """Its source has been moved away."""
    record = json.loads((run.root / "recipe.json").read_text())
    (run.root / "recipe.json").write_text(json.dumps(record | {"source": str(run.root / "gone")}))


LACKING: dict[str, tuple[Callable[[RunFolder], None], dict[str, str]]] = {
    "no model": (without_model, {"film": "no model yet", "samples": "Nothing was drawn", "loss": ""}),
    "nothing": (without_anything, {"plan": "no log", "loss": "no log", "film": "no model yet"}),
    "no pictures": (without_pictures, {"film": "pictures", "forward": "pictures", "loss": ""}),
}


@pytest.mark.parametrize("name", LACKING)
def test_a_run_that_lacks_something_says_so(cli: Callable, trained: Path, tmp_path: Path, name: str) -> None:
    run = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    spoil, sentences = LACKING[name]
    spoil(run)
    result = cli("report", run.root)
    assert result.exit_code == 0, result.stderr
    found = told(run.root / "report.html")
    for chapter, sentence in sentences.items():
        assert sentence in (found[chapter].get("left out") or ""), found[chapter]
    rules = {advice["rule"] for advice in found["next"]["advice"]}
    assert ("unfinished" in rules) == (name != "no pictures")


def test_a_model_folder_has_a_book_of_its_own(
    cli: Callable, trained: Path, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(RunFolder(trained).model, tmp_path / "mine")
    result = cli("report", folder, "--data", shapes)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == ["report-mine.html", "report-mine.json"]
    found = told(tmp_path / "report-mine.html")
    assert "no log" in found["plan"]["left out"]
    assert not found["film"].get("left out")
    assert not {"unfinished", "still falling"} & {advice["rule"] for advice in found["next"]["advice"]}


@pytest.mark.parametrize(
    ("words", "told"),
    [(("nowhere",), "there is no model folder nowhere"), (("RUN", "--out", "book.pdf"), "book.html")],
)
def test_bad_requests_are_a_sentence(cli: Callable, trained: Path, words: tuple[str, ...], told: str) -> None:
    result = cli("report", *(trained if word == "RUN" else word for word in words))
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr
