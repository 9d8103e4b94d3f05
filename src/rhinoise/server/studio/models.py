"""Models: which there are, a card each; one is chosen, taken away as a file, or deleted."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gradio as gr

from rhinoise.core.errors import ModelFolderError
from rhinoise.server import models
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.studio import html
from rhinoise.server.studio.create import Create
from rhinoise.server.studio.words import OWN, in_words

NONE = html.empty("There is no model here yet: train one, in the tab Train.")
NO_CARD = "Choose a model above to read its card."


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The models, and what can be done with the one that is picked."""

    picked: gr.State
    """Its name; "" for none."""
    cards: gr.HTML
    actions: gr.Row
    use: gr.Button
    export: gr.HTML
    delete: gr.Button
    card: gr.Markdown


@dataclass(frozen=True, kw_only=True)
class Question:
    """Whether it is to be deleted."""

    shown: gr.Group
    words: gr.Markdown
    sure: gr.Button
    keep: gr.Button


def build(jobs: Jobs, created: Create, tab: gr.Tab, tabs: gr.Tabs) -> None:
    """The tab's content."""
    cards = html.box(html.PICK, value=NONE, elem_id="cards")
    with gr.Row(visible=False) as actions:
        use = gr.Button("Draw with it", variant="primary", size="sm", elem_id="use-model")
        export = html.box(elem_id="export")
        delete = gr.Button("Delete", variant="stop", size="sm", elem_id="delete")
    with gr.Group(visible=False) as shown:
        words = gr.Markdown()
        with gr.Row():
            sure = gr.Button("Delete it for good", variant="stop", size="sm", elem_id="sure")
            keep = gr.Button("Keep it", size="sm")
    card = gr.Markdown(NO_CARD, elem_id="card")
    shelf = Shelf(
        picked=gr.State(""),
        cards=cards,
        actions=actions,
        use=use,
        export=export,
        delete=delete,
        card=card,
    )
    question = Question(shown=shown, words=words, sure=sure, keep=keep)
    _pick(jobs, shelf, question, tab)
    _use(jobs, shelf, created, tabs)
    _delete(jobs, shelf, question, created)


def _pick(jobs: Jobs, shelf: Shelf, question: Question, tab: gr.Tab) -> None:
    async def listed(picked: str) -> str:
        return _cards(jobs, picked)

    tab.select(listed, shelf.picked, shelf.cards, **OWN)

    @in_words
    async def pick(event: gr.EventData) -> Any:
        name = jobs.registry.model(event.pick)
        record = jobs.records.get(name, {})
        text = record.get("card") or record.get("error") or "Its card is there when the models are loaded."
        address = f"api/v1/models/{quote(name)}/export"
        return {
            shelf.picked: name,
            shelf.cards: _cards(jobs, name),
            shelf.actions: gr.Row(visible=True),
            shelf.export: f'<a class="button" href="{address}" download>Export</a>',
            shelf.delete: gr.Button(interactive=_is_own(jobs, name)),
            shelf.card: _below_title(text),
            question.shown: gr.Group(visible=False),
        }

    changed = [
        shelf.picked, shelf.cards, shelf.actions, shelf.export, shelf.delete, shelf.card, question.shown
    ]  # fmt: skip
    shelf.cards.select(pick, None, changed, **OWN)


def _use(jobs: Jobs, shelf: Shelf, created: Create, tabs: gr.Tabs) -> None:
    @in_words
    async def using(name: str) -> Any:
        return {
            created.model: gr.Dropdown(choices=list(jobs.registry.models()), value=name),
            tabs: gr.Tabs(selected="create"),
        } | created.own_values(name)

    shelf.use.click(using, shelf.picked, [created.model, tabs, *created.own], **OWN)


def _delete(jobs: Jobs, shelf: Shelf, question: Question, created: Create) -> None:
    @in_words
    async def ask(name: str) -> Any:
        jobs.registry.trained_here(name)
        words = f"**Delete the model {name}?** Its weights and all that its training left are gone then."
        return gr.Group(visible=True), words

    shelf.delete.click(ask, shelf.picked, [question.shown, question.words], **OWN)

    @in_words
    async def deleting(name: str) -> Any:
        models.forget(jobs, name)
        names = list(jobs.registry.models())
        return {
            shelf.picked: "",
            shelf.cards: _cards(jobs, ""),
            shelf.actions: gr.Row(visible=False),
            shelf.card: NO_CARD,
            question.shown: gr.Group(visible=False),
            created.model: gr.Dropdown(choices=names, value=next(iter(names), None)),
        }

    changed = [shelf.picked, shelf.cards, shelf.actions, shelf.card, question.shown, created.model]
    question.sure.click(deleting, shelf.picked, changed, **OWN)

    async def kept() -> gr.Group:
        return gr.Group(visible=False)

    question.keep.click(kept, None, question.shown, **OWN)


def _is_own(jobs: Jobs, name: str) -> bool:
    """Whether it was trained here, and may be deleted."""
    try:
        jobs.registry.trained_here(name)
    except ModelFolderError:
        return False
    return True


def _cards(jobs: Jobs, picked: str) -> str:
    """Every model as a button with what it is in short."""
    buttons = "".join(
        f'<button type="button" data-pick="{html.escape(name)}"{" aria-current=true" * (name == picked)}>'
        f"<strong>{html.escape(name)}</strong>{_in_short(jobs.records.get(name))}</button>"
        for name in jobs.registry.models()
    )
    return f'<div class="cards">{buttons}</div>' if buttons else NONE


def _in_short(record: Any) -> str:
    if record is None:
        return "<span>being looked at</span>"
    if "error" in record:
        return f"<span>{html.escape(record['error'])}</span>"
    side, size = record["size"], record["bytes"] / 2**20
    return f"<span>{side} × {side} pixels</span><span>{size:.1f} MB</span><span>{record['hash'][:10]}</span>"


def _below_title(card: str) -> str:
    """A card without the lines for machines that it may begin with."""
    return card.split("---", 2)[2] if card.startswith("---") else card
