"""The README.md of a model folder: what it is, what it was made of, under which licence, how good."""

from collections.abc import Iterable, Iterator, Sequence

from rhinoise.storage.description import Description, counted, sized

CARD = "README.md"


def card(model: Description) -> str:
    """The model card, in Markdown, with the header that model hubs read."""
    return "\n".join([*_header(model), *_sections(model)]).rstrip() + "\n"


def _header(model: Description) -> Iterator[str]:
    yield from ("---", "library_name: rhinoise", "pipeline_tag: text-to-image")
    if model.licence is not None:
        yield f"license: {model.licence.lower()}"
    yield from ("---", "")


def _sections(model: Description) -> Iterator[str]:
    facts = model.facts
    size, name = facts.get("size"), facts.get("recipe", model.pipeline)
    yield from (f"# {name}: pictures from words", "")
    if size:
        yield f"It draws pictures of {size} x {size} pixels from short captions."
    yield from (_origin(model), "", f"It opens in {model.opened_by}.", "", "```sh")
    yield from ('rhinoise generate "what to draw" --model FOLDER', "```", "")
    yield from _licence(model)
    yield from _training(model)
    yield from _scores(model)
    yield from _limits(model)
    yield from (
        "## Weights",
        "",
        *_table(["part", "class", "numbers", "on disk", "SHA-256"], _weights(model)),
    )


def _origin(model: Description) -> str:
    data, started = model.facts.get("data"), model.facts.get("started_from")
    if data is None:
        return "Its folder does not say how it was trained."
    pictures = f"the {model.facts['pictures']} pictures of `{data['name']}`"
    if started:
        how = model.facts.get("adapted", {}).get("kept", "full")
        return (
            f"Its denoiser was trained further ({how}) on {pictures}, from the model `{started['recipe']}` "
            f"({started['hash'][:10]})."
        )
    return (
        f"Every part, tokenizer and text encoder too, was trained from scratch on {pictures} and no others."
    )


def _licence(model: Description) -> Iterator[str]:
    yield from ("## Licence and attribution", "")
    if model.licence is not None:
        yield f"The weights are passed on under **{model.licence}**, as the licences of the pictures ask:"
        yield "whoever passes them on, or others made from them, names the sources below and keeps to it."
        yield ""
    for licence in model.licences:
        yield f"- {licence['work']}, by {licence['holder']}, {licence['name']} ({licence['url']})"
    if model.licences:
        yield from (
            "",
            "The pictures were changed: drawn at a small size on a plain background and captioned,",
        )
        yield "and in some sets recoloured, moved and combined."
    for name in model.unknown:
        yield f"The licences of the pictures of `{name}` are not known here: ask whoever trained the model."
    yield ""


def _training(model: Description) -> Iterator[str]:
    facts = model.facts
    rows: list[tuple[str, ...]] = []
    if data := facts.get("data"):
        rows.append(("pictures", f"{data['name']}: {facts['pictures']}, and {facts['held_out']} held out"))
        rows.append(("digest of pictures and captions", f"`{data['digest']}`"))
    rows.append(("prediction, schedule", f"{model.predicts}, {model.schedule.name}"))
    if "steps" in facts:
        rows.append(("steps", ", ".join(f"{stage} {steps}" for stage, steps in facts["steps"].items())))
    if "hours" in facts:
        rows.append(("hours", f"{facts['hours']:g}"))
    if "versions" in facts:
        rows.append(("versions", ", ".join(f"{name} {v}" for name, v in facts["versions"].items())))
    if "distilled" in facts:
        steps = facts["sampling"]["steps"]
        rows.append(("distilled", f"to {steps} steps, from {facts['distilled']['from'][:10]}"))
    yield from ("## Training", "", *_table(["", ""], rows))
    if facts.get("command"):
        yield from ("", "Trained again by:", "", "```sh", facts["command"], "```")
    yield ""


def _scores(model: Description) -> Iterator[str]:
    if "scores" not in model.facts:
        return
    yield from ("## Scores", "", "By `rhinoise evaluate`, on the machine that it was trained on.", "")
    for table in model.facts["scores"]:
        columns = max(len(row) for row in table["rows"])
        yield from (f"**{table['title']}**", "", *_table([""] * columns, table["rows"]), "")


def _limits(model: Description) -> Iterator[str]:
    facts = model.facts
    yield from ("## What it cannot do", "")
    if "data" in facts:
        yield f"- It has seen {facts['pictures']} pictures: what they do not show, it cannot draw."
    if "size" in facts:
        yield f"- Its pictures are square and have {facts['size']} pixels a side, no other size."
    if "context" in facts:
        yield f"- It reads {facts['context']} tokens of a caption, start and end included; the rest is cut."
    yield "- It knows the words of its captions, in their language; others mean nothing to it."
    yield "- Letters, numbers, counting and small details come out wrong more often than right."
    yield from (
        "- What it draws may resemble its training pictures closely, above all for their captions.",
        "",
    )


def _weights(model: Description) -> Iterator[tuple[str, ...]]:
    for part in model.parts:
        size = f"{part.weights}, {sized(part.bytes)}"
        yield part.what, part.name, counted(part.numbers), size, f"`{part.sha256}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join([*row, *[''] * (len(head) - len(row))])} |"
