"""The chapters of a lab book, from what a run keeps of itself and what its model answered."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

from rhinoise.explain.advice import Found, advise
from rhinoise.explain.chapters.data import Data, data_chapter
from rhinoise.explain.chapters.drawing import attention_chapter, film_chapter, variance_chapter
from rhinoise.explain.chapters.latents import atlas_chapter, autoencoder_chapter, forward_chapter
from rhinoise.explain.chapters.losses import loss_chapter
from rhinoise.explain.chapters.training import Plan, Sample, plan_chapter, samples_chapter
from rhinoise.explain.chapters.worth import next_chapter, replicas_chapter, scores_chapter
from rhinoise.explain.pages.page import data_uri
from rhinoise.explain.report import Book, Chapter, Command, Words
from rhinoise.storage.description import licences_of
from rhinoise.storage.run_folder import FEW_STEPS, model_in
from rhinoise.workflows.book.commands import commands_of
from rhinoise.workflows.book.kept import Kept
from rhinoise.workflows.scoring.scores import kept_tables

WIDE = 1000
"""Pixels that a sheet of samples is wide in the page, at most."""


def book_of(known: Kept, answers: Mapping[str, Any] | None) -> Book:
    """All chapters; without answers those alone that need none."""
    found = answers or {}
    name = known.place.name
    counts = found.get("counts", (None, None))
    learnt, held_out = (
        known.facts.get(fact, count) for fact, count in zip(("pictures", "held_out"), counts, strict=True)
    )
    commands = commands_of(known)
    data = Data(
        source=_called(known.source),
        learnt=learnt,
        held_out=held_out,
        skipped=known.skipped if known.is_run else None,
        licences=licences_of(known.facts) or found.get("licences", []),
        started_from=_started(known),
        sheet=found.get("sheet", ()),
        report=None if isinstance(found.get("data"), str) else found.get("data"),
        why_not=found.get("data", "") if isinstance(found.get("data"), str) else "",
        others=None if found.get("others") is None else _called(found["others"]),
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
    model = model_in(known.place)
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
        skipped=len(data.skipped or ()),
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
