"""The lab book of a run: RUN/report.html for people, and the same numbers in RUN/report.json.

A training writes the short form when it is done: what its own records tell, which costs next to nothing.
`rhinoise report` writes the whole: it opens the model, and the pictures where they are at hand.
"""

import math
import shlex
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

from rhinoise.core.errors import ConfigError, RhinoiseError, RunFolderError
from rhinoise.core.files import read_json, write_json, write_text
from rhinoise.explain.advice import CALIBRATED, Found, advise
from rhinoise.explain.chapters.data import Data, data_chapter
from rhinoise.explain.chapters.drawing import attention_chapter, film_chapter, variance_chapter
from rhinoise.explain.chapters.latents import atlas_chapter, autoencoder_chapter, forward_chapter
from rhinoise.explain.chapters.losses import loss_chapter
from rhinoise.explain.chapters.training import Plan, Sample, plan_chapter, samples_chapter
from rhinoise.explain.chapters.worth import next_chapter, replicas_chapter, scores_chapter
from rhinoise.explain.pages.page import data_uri
from rhinoise.explain.report import Book, Chapter, Command, Words, pictures
from rhinoise.recipes import Recipe
from rhinoise.recipes.recipe import Shares
from rhinoise.storage.description import licences_of
from rhinoise.storage.run_folder import FEW_STEPS, RunFolder
from rhinoise.workflows.command import command
from rhinoise.workflows.devices import device_errors_told
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.kept import Kept, kept
from rhinoise.workflows.scores import kept_tables
from rhinoise.workflows.training import LATENTS_KEY

PAGE, NUMBERS = "report.html", "report.json"
WIDE = 1000
"""Pixels that a sheet of samples is wide in the page, at most."""
SHEET = 24
"""Pictures of the data set that are shown."""
SHARE = 0.5
"""How much more of the time a blurred autoencoder is given."""


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
    book = _book(known, answers)
    yield from _written(book, page)
    return book


def short_report(run: RunFolder) -> Iterator[Event]:
    """What a training writes at its end, unless the whole book of this very model is there already."""
    known, numbers = kept(run.root), run.root / NUMBERS
    if numbers.is_file():
        before = read_json(numbers)
        if before.get("whole") and before.get("facts", {}).get("model") == known.hash:
            return
    yield from _written(_book(known, None), run.root / PAGE)


def _written(book: Book, page: Path) -> Iterator[Event]:
    write_text(page, book.page())
    yield Wrote(page)
    numbers = page.with_suffix(".json")
    write_json(numbers, _finite(book.numbers()))
    yield Wrote(numbers)


def _finite(value: Any) -> Any:
    """Plain JSON: it knows no infinity, and keys are text."""
    if isinstance(value, Mapping):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _page(out: Path | None, known: Kept) -> Path:
    """The file to write; never into a model folder, whose files are counted."""
    if out is None:
        return known.place / PAGE if known.is_run else Path(f"report-{known.place.name}.html")
    if out.is_dir():
        raise RunFolderError(f"--out {out} is a folder, wanted a file: {out / PAGE}")
    if out.suffix.lower() != ".html":
        raise ConfigError(f"a report is written as HTML: --out {out.with_suffix('.html')}, not {out}")
    return out


# --- what the model is asked


def _asked(known: Kept, request: ReportRequest) -> Generator[Event, None, dict[str, Any]]:
    """Chapter => its record, or a sentence; "sheet": pictures to show; "laps": seconds."""
    from rhinoise.workflows.asked import QUESTIONS, answered, subject
    from rhinoise.workflows.paths import open_model
    from rhinoise.workflows.pictures import read_pictures, spread

    laps: dict[str, float] = {}
    why = _why_not(known, request.data)
    if not why:
        try:
            began = time.monotonic()
            assert known.recipe is not None
            learnt = yield from read_pictures(known.run, request.data or str(known.source), known.recipe)
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


# --- the book


def _book(known: Kept, answers: Mapping[str, Any] | None) -> Book:
    """All chapters; without answers those alone that need none."""
    found = answers or {}
    name = known.place.name
    learnt, held_out = found.get("counts", (known.facts.get("pictures"), known.facts.get("held_out")))
    commands = _commands(known)
    data = Data(
        source=_called(known.source),
        learnt=learnt,
        held_out=held_out,
        skipped=known.skipped,
        licences=licences_of(known.facts) or found.get("licences", []),
        started_from=_started(known),
        sheet=found.get("sheet", ()),
        report=None if isinstance(found.get("data"), str) else found.get("data"),
        why_not=found.get("data", "") if isinstance(found.get("data"), str) else "",
    )
    plan = Plan(
        stages=known.stages,
        seconds=known.plan.get("seconds"),
        minutes=known.recipe.minutes if known.recipe else None,
        finished=known.finished,
        command=commands.get("again"),
    )
    score = known.plan.get("autoencoder score") or known.scores.get("autoencoder")
    losses = found.get("loss") if not isinstance(found.get("loss"), str) else None
    tables = kept_tables(known.scores) if known.scores else []
    replicas = known.scores.get("replicas")
    measured = _replica_rows(tables) if replicas else []
    chapters = [
        data_chapter(data),
        plan_chapter(plan),
        autoencoder_chapter(found.get("autoencoder", ""), score, _picture(known, "autoencoder.png")),
    ]
    if answers is not None:
        chapters.append(forward_chapter(found["forward"]))
    chapters += [
        loss_chapter(known.entries, known.looks, losses),
        samples_chapter(_samples(known), _few_steps(known)),
    ]
    if answers is not None:
        chapters += [
            film_chapter(found["film"], commands["film"]),
            variance_chapter(found["variance"], commands["variance"]),
            atlas_chapter(found["atlas"], commands["atlas"]),
            attention_chapter(found["attention"], commands["attention"]),
            replicas_chapter(found["replicas"], measured, commands["check"]),
        ]
    chapters.append(scores_chapter(known.scores, tables, commands["evaluate"]))
    advice = advise(_found(known, data, score, losses, found.get("replicas"), found.get("data"), commands))
    chapters.append(next_chapter(advice, commands["draw"]))
    if answers is None:
        chapters.append(_more(commands["report"]))
    return Book(
        title=f"The lab book of {name}",
        lede=_lede(known, learnt),
        facts=_facts(known),
        chapters=chapters,
        whole=answers is not None,
        laps=found.get("laps", {}),
    )


def _lede(known: Kept, learnt: int | None) -> str:
    size = known.recipe.size if known.recipe else known.facts.get("size")
    what = (
        f"A model that draws pictures of {size} × {size} dots from words"
        if size
        else "A model that draws from words"
    )
    from_ = f", made from {learnt:,} captioned pictures" if learnt else ""
    state = "" if known.finished else " Its training is not finished."
    return f"{what}{from_}: what it was shown, how it learnt, and what it does.{state}"


def _facts(known: Kept) -> dict[str, str]:
    """What tells this model from others."""
    recipe, facts = known.recipe, known.facts
    rows = {"written": f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"}
    model = known.run.model if known.run.model.is_dir() else known.place
    dated = {"begun": known.place / "recipe.json", "model of": model / "model_index.json"}
    rows |= {
        name: f"{datetime.fromtimestamp(file.stat().st_mtime).astimezone():%Y-%m-%d %H:%M}"
        for name, file in dated.items()
        if file.is_file()
    }
    if recipe is not None:
        rows["recipe"] = f"{recipe.name}, {recipe.size} × {recipe.size} dots, seed {recipe.seed}"
    rows["model"] = known.hash or "none yet" if known.is_run else known.hash or "without a hash"
    licence = (facts.get("data") or {}).get("model_licence")
    if licence:
        rows["licence"] = f"{licence}, as the licences of its pictures ask"
    if "distilled" in facts:
        rows["kind"] = f"made from another model, to draw in {facts['sampling']['steps']} steps"
    if versions := facts.get("versions"):
        rows["made with"] = ", ".join(f"{what} {version}" for what, version in versions.items())
    return rows


def _called(source: str | None) -> str:
    """A source by its name, without the folders that it lies in."""
    if source is None:
        return "pictures that are not known here"
    return Path(source).name or source


def _started(known: Kept) -> str | None:
    """The model that it began as."""
    began = known.facts.get("started_from")
    if began:
        return f"the model “{began['recipe']}” ({str(began['hash'])[:10]})"
    return None if known.start is None else f"the model {Path(known.start).name}"


def _uri(file: Path) -> str:
    """A sheet of pictures, no wider than the page."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    if image.width > WIDE:
        image = image.resize((WIDE, round(image.height * WIDE / image.width)), Image.Resampling.LANCZOS)
    return data_uri(image)


def _picture(known: Kept, name: str) -> str | None:
    file = known.run.samples / name
    return _uri(file) if known.is_run and file.is_file() else None


def _samples(known: Kept) -> list[Sample]:
    return [Sample(step=step, uri=_uri(file)) for step, file in known.samples]


def _few_steps(known: Kept) -> tuple[str, int] | None:
    uri, steps = _picture(known, f"{FEW_STEPS}.png"), known.plan.get("few_steps done")
    return None if uri is None or steps is None else (uri, steps)


def _replica_rows(tables: list[tuple[str, list[tuple[str, ...]]]]) -> list[tuple[str, ...]]:
    """The table of replicas among those of the scores."""
    return next((rows for title, rows in tables if title.startswith("replicas")), [])


def _more(ask: str) -> Chapter:
    said = (
        "This is the short form, which a training writes by itself. The whole book also shows a picture "
        "drowning in noise, the film of one being drawn, how far what comes back strays, where pictures lie, "
        "where the model looks for each word, and whether it copies. It takes a minute or so:"
    )
    return Chapter(
        name="more",
        title="More to see",
        about="What only the model itself can show.",
        blocks=[Words(said), Command(ask)],
    )


# --- what to try next


def _found(
    known: Kept,
    data: Data,
    score: Mapping[str, float] | None,
    losses: tuple[float, float] | None,
    drawn: Any,
    inspected: Any,
    commands: Mapping[str, str],
) -> Found:
    """What the rules look at."""
    denoiser = next((stage for stage in known.stages if stage.name == known.way), None)
    retrieval = (known.scores.get("features") or {}).get("retrieval")
    report = data.report
    return Found(
        run=str(known.place),
        finished=known.finished,
        learnt=data.learnt,
        held_out=data.held_out,
        skipped=len(data.skipped),
        one_word=report.captions.one_word / report.captions.total if report else None,
        alike=report.alike / report.pictures if report else None,
        psnr=score["psnr"] if score else None,
        autoencoder_share=known.recipe.shares.autoencoder if known.recipe else 0.0,
        looks=known.looks,
        passes=denoiser.pictures / data.learnt if denoiser and data.learnt else None,
        losses=losses,
        replicas=_copies(known, drawn),
        retrieval=(retrieval["top1"], retrieval["among"]) if retrieval else None,
        scored=bool(kept_tables(known.scores)),
        commands=commands,
    )


def _copies(known: Kept, drawn: Any) -> tuple[float, float] | None:
    """Of the scores, which looked at many; else of the few pictures of this book."""
    measured = known.scores.get("replicas")
    if measured:
        labels = measured["rates"].get("training captions", {}).get("labels")
        tested = measured["calibration"]["tested"]["labels"]
        return (labels["replica"], tested["replica"]) if labels and tested else None
    if drawn is None or isinstance(drawn, str):
        return None
    own = [label for label, learnt in zip(drawn.labels, drawn.learnt, strict=True) if learnt and label]
    return (own.count("replica") / len(own), drawn.tested) if own and drawn.tested is not None else None


def _commands(known: Kept) -> dict[str, str]:
    """Name => a command, ready to be typed."""
    place = shlex.quote(str(known.place))
    said = {
        "draw": f'rhinoise generate "what to draw" --model {place}',
        "film": f'rhinoise generate "what to draw" --model {place} --film --out film',
        "check": f'rhinoise generate "what to draw" --model {place} --check --count 8 --out check',
        "variance": f"rhinoise reconstruct PICTURE.png --model {place} --curve --out variance",
        "atlas": f"rhinoise atlas {place} --out atlas.html",
        "attention": f'rhinoise attention "what to draw" --model {place} --out attention',
        "evaluate": f"rhinoise evaluate {place}",
        "report": f"rhinoise report {place}",
    }
    if known.source is None or known.recipe is None:
        return said
    source, recipe = shlex.quote(known.source), known.recipe
    if not known.is_run:  # whoever has the folder alone has not its run
        return said | ({"again": known.facts["command"]} if known.facts.get("command") else {})
    said["inspect"] = f"rhinoise inspect {source} --size {recipe.size} --out inspected"
    said["from"] = f"rhinoise train {source} --from bundled --out {shlex.quote(f'{known.place}-from')}"
    said["again"] = _train(known, recipe, "")
    said["longer"] = _train(known, _budget(recipe, 2.0), "-longer")
    said["shorter"] = _train(known, _budget(recipe, 0.5), "-shorter")
    shares, pictures_ = recipe.shares, known.facts.get("pictures", 0) + known.facts.get("held_out", 0)
    more = min(SHARE * shares.autoencoder, shares.denoiser / 2)
    if more:
        wider = Shares(
            autoencoder=round(shares.autoencoder + more, 4),
            text=shares.text,
            denoiser=round(1 - shares.text - round(shares.autoencoder + more, 4), 6),
        )
        said["autoencoder"] = _train(known, replace(recipe, shares=wider), "-sharper")
    if pictures_ and CALIBRATED / pictures_ < 0.25:
        part = math.ceil(110 * CALIBRATED / pictures_) / 100  # a tenth more: the split is by chance
        data = replace(recipe.data, held_out=part)
        said["held out"] = _train(known, replace(recipe, data=data), "-held-out")
    return said


def _budget(recipe: Recipe, times: float) -> Recipe:
    """The same with another budget."""
    if recipe.minutes is not None:
        return replace(recipe, minutes=recipe.minutes * times)
    assert recipe.images is not None
    return replace(recipe, images=math.ceil(recipe.images * times))


def _train(known: Kept, recipe: Recipe, ending: str) -> str:
    """The command that trains by this recipe, into a run of its own; where it has no name, what is known."""
    out = shlex.quote(f"{known.place}{ending}")
    named = None if known.start is not None else command(str(known.source), recipe)
    if named is not None:
        return named.removesuffix("RUN") + out
    words = ["rhinoise", "train", str(known.source)]
    if known.start is not None:
        words += ["--from", known.start]
    budget = ["--minutes", f"{recipe.minutes:g}"] if recipe.minutes else ["--images", str(recipe.images)]
    return f"{shlex.join([*words, *budget])} --out {out}"
