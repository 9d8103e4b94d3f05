"""The chapter of what a model learnt from: a run's own records tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rhinoise.data.doctor import DataReport
from rhinoise.explain.report import Block, Chapter, Gallery, Heading, Missing, Table, Words


@dataclass(frozen=True, kw_only=True)
class Data:
    """What the model learnt from; what is None is not known."""

    source: str
    learnt: int | None
    held_out: int | None
    skipped: Sequence[tuple[str, str]] | None
    """Name and reason."""
    licences: Sequence[Mapping[str, str]]
    started_from: str | None
    sheet: Sequence[Mapping[str, str]] = ()
    """Some of the pictures, as a gallery takes them."""
    report: DataReport | None = None
    why_not: str = ""
    """Why there is no `report`."""
    others: str | None = None
    """Other pictures, which this book looks at instead of those."""


def data_chapter(data: Data) -> Chapter:
    """What was found, skipped and duplicated, and whose work it is."""
    blocks: list[Block] = []
    if data.learnt is None or data.held_out is None:
        blocks.append(Missing("How many pictures there are is not known yet: no model was kept so far."))
    else:
        kept = (
            f"{data.held_out:,} more were held out: the model has never seen them, so that they can tell "
            "whether it has learnt or remembered."
            if data.held_out
            else "None was held out, as there are so few: what is measured below is measured on pictures "
            "that the model has seen."
        )
        blocks.append(Words(f"The model learnt from {data.learnt:,} pictures of {data.source}. {kept}"))
    if data.started_from:
        blocks.append(
            Words(
                f"It did not begin from nothing: it began as {data.started_from}, which knew others before."
            )
        )
    if data.others:
        blocks.append(Words(f"What is shown and measured below is so on other pictures, of {data.others}."))
    if data.sheet:
        said = f"{len(data.sheet)} of them, evenly from first to last, as the model sees them."
        blocks.append(Gallery(data.sheet, said, "6rem"))
    if data.report is not None:
        blocks += _captions(data.report)
    elif data.why_not:
        blocks.append(Missing(data.why_not))
    if data.skipped is not None:
        blocks += _skipped(data.skipped)
    blocks += _licences(data)
    return Chapter(
        name="data",
        title="The pictures",
        about="A model knows nothing but what it is shown. This is all that this one was shown.",
        blocks=blocks,
        numbers={
            "source": data.source,
            "learnt": data.learnt,
            "held_out": data.held_out,
            "skipped": None if data.skipped is None else [list(item) for item in data.skipped],
            "looked at": data.others or data.source,
            "licences": [dict(licence) for licence in data.licences],
            "started_from": data.started_from,
        }
        | ({"report": _plain(data.report)} if data.report else {"left out": data.why_not or None}),
    )


def _plain(report: DataReport) -> dict[str, Any]:
    """What of a data report is not too long for the book."""
    whole = asdict(report)
    return {name: whole[name] for name in ("pictures", "copies", "alike", "families", "known_captions")} | {
        "captions": {
            name: value
            for name, value in whole["captions"].items()
            if name in ("total", "distinct", "several", "one_word", "median_words", "frequent", "too_long")
        },
        "mend": [advice["sentence"] for advice in whole["mend"]],
    }


def _captions(report: DataReport) -> list[Block]:
    captions = report.captions
    alike = (
        f"{report.alike:,} pictures look like another one, in {report.families:,} groups"
        + (f"; {report.copies:,} are the same file again" if report.copies else "")
        if report.alike
        else "No two pictures look alike"
    )
    words = ", ".join(f"{word} ({count:,})" for word, count in captions.frequent[:10])
    return [
        Words(
            f"{alike}. There are {captions.total:,} captions, {captions.distinct:,} of them different, of "
            f"{captions.median_words:g} words in the middle. What they say most often: {words}."
        )
    ]


def _skipped(skipped: Sequence[tuple[str, str]]) -> list[Block]:
    if not skipped:
        return [Words("Nothing was skipped.")]
    shown = [list(item) for item in skipped[:12]]
    more = f" These are the first {len(shown)}." if len(shown) < len(skipped) else ""
    return [
        Words(f"{len(skipped):,} files were skipped.{more} The whole list is in skipped.csv."),
        Table(["file", "why it was skipped"], shown),
    ]


def _licences(data: Data) -> list[Block]:
    if not data.licences:
        return [
            Words(
                "Under which licence the pictures may be used is not known to this program: whoever passes "
                "the model on should know it."
            )
        ]
    rows = [[one["work"], one["holder"], f"{one['name']} ({one['url']})"] for one in data.licences]
    return [
        Heading("Whose work this is"),
        Table(["pictures", "by", "licence"], rows),
    ]
