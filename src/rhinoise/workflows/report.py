"""The lab book of a run: RUN/report.html for people, and the same numbers in RUN/report.json.

A training writes the short form when it is done: what its own records tell, which costs next to nothing.
`rhinoise report` writes the whole: it opens the model, and the pictures where they are at hand.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rhinoise.core.errors import RhinoiseError
from rhinoise.core.files import finite, read_json, write_json, write_text
from rhinoise.explain.report import Book, pictures
from rhinoise.storage.run_folder import RunFolder
from rhinoise.workflows.book.chapters import book_of
from rhinoise.workflows.book.kept import Kept, kept
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import open_model, output_page
from rhinoise.workflows.pictures import read_pictures, spread
from rhinoise.workflows.stages.training import LATENTS_KEY

PAGE, NUMBERS = "report.html", "report.json"
SHEET = 24
"""Pictures of the data set that are shown."""


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """Of which run, and where to."""

    run: Path | str
    """A run, finished or not, a model folder, or "bundled"."""
    out: Path | None = None
    """The page; None: report.html in the run, or beside where one is for a model folder."""
    data: str | None = None
    """The pictures; None: those that it was trained on."""
    prompt: str | None = None
    """What is drawn step by step; None: one of the pictures' captions."""
    seed: int = 0
    precision: str = "auto"


@device_errors_told("or wait until no other program is at work")
def report(request: ReportRequest) -> Generator[Event, None, Book]:
    """Write the page, and its numbers as JSON beside it; ModelFolderError or RunFolderError where there is
    neither run nor model."""
    known = kept(request.run)
    page = _page(request.out, known)
    answers = yield from _asked(known, request)
    book = book_of(known, answers)
    yield from _written(book, page)
    return book


def short_report(run: RunFolder) -> Iterator[Event]:
    """What a training writes at its end, unless the whole book of this very model is there already."""
    known, numbers = kept(run.root), run.root / NUMBERS
    if numbers.is_file():
        before = read_json(numbers)
        if before.get("whole") and before.get("facts", {}).get("model") == known.hash:
            return
    yield from _written(book_of(known, None), run.root / PAGE)


def _written(book: Book, page: Path) -> Iterator[Event]:
    write_text(page, book.page())
    yield Wrote(page)
    numbers = page.with_suffix(".json")
    write_json(numbers, _plain(book.numbers()))
    yield Wrote(numbers)


def _plain(value: Any) -> Any:
    """Plain JSON: it knows no infinity, and keys are text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return finite(value) if isinstance(value, float) else value


def _page(out: Path | None, known: Kept) -> Path:
    """The file to write; never into a model folder, whose files are counted."""
    if out is None:
        return known.place / PAGE if known.is_run else Path(f"report-{known.place.name}.html")
    return output_page(out, PAGE, "a report")


# --- what the model is asked


def _asked(known: Kept, request: ReportRequest) -> Generator[Event, None, dict[str, Any]]:
    """Chapter => its record, or a sentence; "sheet": pictures to show; "laps": seconds."""
    from rhinoise.workflows.book.asked import QUESTIONS, answered, subject

    laps: dict[str, float] = {}
    why = _why_not(known, request.data)
    if not why:
        try:
            began = time.monotonic()
            assert known.recipe is not None
            learnt = yield from read_pictures(request.data or str(known.source), known.recipe)
            model = open_model(known.place, request.precision)
            laps["opening"] = round(time.monotonic() - began, 1)
        except RhinoiseError as error:
            why = f"This is left out, as it needs the model and its pictures: {error}."
    if why:
        yield Said(why)
        return dict.fromkeys(QUESTIONS, why) | {"laps": laps}
    key = known.plan.get(LATENTS_KEY) if request.data is None else None
    asked = subject(model, learnt, request.prompt, key, request.seed)
    answers: dict[str, Any] = {}
    for name, question in QUESTIONS.items():
        began = time.monotonic()
        answers[name] = yield from answered(question, asked)
        laps[name] = round(time.monotonic() - began, 1)
    rows = spread(learnt.train, SHEET)
    captions = learnt.first_captions(rows)
    answers["sheet"] = pictures(learnt.prepared.images(rows.tolist()), captions)
    answers["licences"] = [asdict(licence) for licence in learnt.prepared.dataset.licences]
    answers["counts"] = len(learnt.train), len(learnt.held_out)
    answers["others"] = None if request.data == known.source else request.data
    answers["laps"] = laps
    return answers


def _why_not(known: Kept, data: str | None) -> str:
    """Why the model cannot be asked, or nothing."""
    if not known.has_model:
        return "This is left out: the run has no model yet; the first comes after a fifth of the denoiser."
    if known.recipe is None:
        return (
            "This is left out: the model does not say how its pictures were prepared, as it was not trained "
            "by rhinoise."
        )
    if (data or known.source) is None:
        return (
            "This is left out: nothing says which pictures it was trained on; give them with --data FOLDER."
        )
    return ""
