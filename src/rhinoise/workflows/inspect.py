"""What a training would find in a source of pictures, what it would skip, and what to mend first."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from rhinoise.core.config import to_json
from rhinoise.core.errors import ConfigError
from rhinoise.core.files import write_json, write_text
from rhinoise.core.images import WHITE, Colour, Fit
from rhinoise.data.doctor import DataReport, Evidence, examine, report
from rhinoise.data.duplicates import Looks, looking
from rhinoise.data.pixels import Preparation, Prepared
from rhinoise.data.sources import DATASETS, open_dataset
from rhinoise.nets.text.clip import TextConfig
from rhinoise.nets.text.tokenizer import train_tokenizer
from rhinoise.recipes import RECIPES
from rhinoise.workflows.defaults import DEFAULT_RECIPE, DEFAULT_SIZE
from rhinoise.workflows.events import Event, Said, Wrote
from rhinoise.workflows.paths import one_of, output_folder
from rhinoise.workflows.pictures import prepared_pictures, reported

SHOWN = 36
"""Pictures of the contact sheet, evenly from first to last."""
PAIRS = 12
"""Groups of near-duplicates that are shown, and as many leaks."""
IN_GROUP = 4
"""Pictures of a group that are shown."""

Row = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class InspectRequest:
    """Which pictures, and for what training. Nothing is written but the page, where one is asked for."""

    source: str
    out: Path | None = None
    """A folder for report.html and report.json."""
    size: int = DEFAULT_SIZE
    captions: str = "auto"
    caption_lines: bool = False
    fit: str = "pad"
    background: Colour = WHITE


def inspect(request: InspectRequest) -> Generator[Event, None, DataReport]:
    """Look at everything once; the decoded pictures stay in the cache, where a training finds them.

    DataError when nothing can be learnt from the source, ConfigError for an --out inside of it.
    """
    out = None if request.out is None else output_folder(request.out)
    if out is not None and request.source not in DATASETS:
        _check_outside(out, Path(request.source).expanduser())
    if request.size < 1:
        raise ConfigError(f"--size is a number of pixels, 1 or more, not {request.size}")
    yield Said(f"reading the pictures of {request.source}")
    dataset = open_dataset(request.source, captions=request.captions, caption_lines=request.caption_lines)
    fit = one_of(Fit, "fit", request.fit)
    preparation = Preparation(size=request.size, fit=fit, background=request.background)
    prepared = yield from prepared_pictures(dataset, preparation)
    looks = yield from look_at(prepared)
    tokens, context = token_lengths(prepared, request.size)
    seen = examine(prepared, looks, tokens, context)
    found = report(seen)
    if out is not None:
        write_json(out / "report.json", to_json(found))
        yield Wrote(out / "report.json")
        write_text(out / "report.html", page(found, seen, prepared))
        yield Wrote(out / "report.html")
    return found


def _check_outside(out: Path, source: Path) -> None:
    inside = source if source.is_dir() else source.parent
    if source.exists() and out.resolve().is_relative_to(inside.resolve()):
        raise ConfigError(
            f"--out {out} lies among the pictures, which are never changed: choose another folder"
        )


def look_at(prepared: Prepared) -> Generator[Event, None, Looks]:
    """What is to be compared of every picture."""
    return (yield from reported(looking(prepared.array), "duplicates"))


def token_lengths(prepared: Prepared, size: int) -> tuple[dict[str, int], int]:
    """Every caption's length in tokens, learnt as the default recipe learns them, and what it reads."""
    config = RECIPES[DEFAULT_RECIPE](size).text
    assert isinstance(config, TextConfig)
    said = sorted({caption for example in prepared.dataset.examples for caption in example.captions})
    tokenizer = train_tokenizer(said, vocabulary=config.vocabulary, context=config.context)
    return dict(zip(said, tokenizer.lengths(said), strict=True)), config.context


# --- the page


def page(found: DataReport, seen: Evidence, prepared: Prepared) -> str:
    """The report as one file of HTML."""
    from rhinoise.explain.pages.page import data_uri, render, svg
    from rhinoise.explain.plots.counts import counts_figure

    def shown(index: int, text: str) -> dict[str, str]:
        pixels = prepared.array[index].transpose(1, 2, 0)
        example = seen.dataset.examples[index]
        uri = data_uri(Image.fromarray(pixels), lossless=found.size <= DEFAULT_SIZE)
        return {"uri": uri, "text": text.format(name=example.name, said="; ".join(example.captions))}

    def drawn(*figure: Any) -> Any:
        return svg(counts_figure(*figure))

    step = max(1, -(-found.pictures // SHOWN))
    files, captions = found.files, found.captions
    return render(
        "inspect.html.j2",
        found=found,
        tables=tables(found),
        pixelated=found.size <= DEFAULT_SIZE,
        sheet=[shown(index, "{said}") for index in range(0, found.pictures, step)],
        groups=[
            [shown(index, "{name}: {said}") for index in group[:IN_GROUP]] for group in _spread(seen.groups)
        ],
        leaks=[
            [shown(held, "held out, {name}: {said}"), shown(learnt, "trained on, {name}: {said}")]
            for held, learnt in seen.leaks[:PAIRS]
        ],
        shapes=[
            drawn(files.sides, "How large they are", "shorter side (pixels)", "pictures"),
            drawn(files.aspects, "How they are shaped", "width : height", "pictures"),
        ]
        if files.smallest  # drawn pictures have no size of their own, and an empty figure says nothing
        else [],
        frequent=[{"name": word, "value": count} for word, count in captions.frequent[:10]],
        words=drawn(captions.words, "How much is said", "words of a caption", "captions"),
    )


def _spread(groups: Sequence[tuple[int, ...]]) -> Sequence[tuple[int, ...]]:
    """Those that are shown, evenly from first to last."""
    return groups[:: max(1, -(-len(groups) // PAIRS))]


# --- the terminal


def tables(found: DataReport) -> list[tuple[str, list[Row]]]:
    """Titles and rows, for people."""
    return [
        (f"{found.name}: what was found", _found_rows(found)),
        ("captions", _caption_rows(found)),
        *([("what is skipped", _skip_rows(found))] if found.skipped else []),
        ("what to mend, the most harmful first", mend_rows(found)),
    ]


def mend_rows(found: DataReport) -> list[Row]:
    """What to mend, numbered."""
    if not found.mend:
        return [("", "nothing: these pictures can be trained on as they are")]
    return [
        (f"{number}.", f"{advice.sentence}. {advice.remedy[0].upper()}{advice.remedy[1:]}.")
        for number, advice in enumerate(found.mend, start=1)
    ]


def _found_rows(found: DataReport) -> list[Row]:
    files = found.files
    rows = [
        (
            "pictures",
            f"{found.pictures:,}: {found.training:,} to train on, {found.held_out:,} held out"
            + (f"; {found.skipped:,} skipped" if found.skipped else ""),
        )
    ]
    if files.smallest is None or files.median is None or files.largest is None:
        rows.append(("files", "none: they are drawn, at any size"))
    else:
        rows += [
            ("formats", _listed(files.formats.items())),
            ("modes", _listed(files.modes.items())),
            ("transparent", f"{files.transparent:,}"),
            (
                "sizes",
                f"{_size(files.smallest)} to {_size(files.largest)} pixels, the middle one "
                f"{_size(files.median)}; training at {found.size} x {found.size}",
            ),
            ("width : height", _listed(zip(files.aspects.labels, files.aspects.counts, strict=True))),
        ]
    rows.append(("near-duplicates", _alike(found)))
    return rows


def _alike(found: DataReport) -> str:
    if not found.alike:
        return "none"
    copies = f"; {found.copies:,} are the same file again" if found.copies else ""
    return f"{found.alike:,} pictures in {found.families:,} groups{copies}"


def _caption_rows(found: DataReport) -> list[Row]:
    captions = found.captions
    per = "one per picture" if not captions.several else f"{captions.several:,} pictures have several"
    rows = [
        ("captions", f"{captions.total:,}, {captions.distinct:,} of them different; {per}"),
        (
            "length",
            f"{captions.median_words:g} words in the middle; {captions.one_word:,} of a single word; the "
            f"longest has {captions.longest} tokens, a model reads {captions.context}",
        ),
        ("frequent words", _listed(captions.frequent[:12])),
    ]
    if captions.repeated:
        rows.append(("said repeatedly", "; ".join(f"{said} ({n:,})" for said, n in captions.repeated[:4])))
    return rows


def _skip_rows(found: DataReport) -> list[Row]:
    return [(f"{count:,}", reason) for reason, count in found.skips]


def _listed(counts: Any) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts if count)


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} x {shape[1]}"
