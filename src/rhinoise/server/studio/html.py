"""What the page shows that Gradio has no component for, as HTML; whatever a person wrote is escaped."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import gradio as gr

from rhinoise.server.queue.jobs import Job

PICK = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('[data-pick]');
  if (chosen) trigger('select', {pick: chosen.dataset.pick});
});
"""
"""What is clicked, or chosen by the keyboard, is told as `pick`."""

_ADDRESS = re.compile(r"api/v1/jobs/([0-9a-f]{32})/files/([^/]+)")

FLIP = """
const show = (flip, index) => {
  flip.querySelectorAll('figure').forEach((frame, place) => { frame.hidden = place !== index; });
  flip.querySelectorAll('[data-show]').forEach(button => {
    button.setAttribute('aria-pressed', Number(button.dataset.show) === index);
  });
};
element.addEventListener('input', event => {
  if (event.target.type === 'range') show(event.target.closest('.flip'), Number(event.target.value));
});
for (const kind of ['mouseover', 'focusin', 'click']) element.addEventListener(kind, event => {
  const button = event.target.closest('[data-show]');
  if (button) show(button.closest('.flip'), Number(button.dataset.show));
});
"""
"""A slider, or buttons under the pointer, change which of several figures is seen."""


def address(job: Job, name: str) -> str:
    """Where the browser finds a file that a job made."""
    return f"api/v1/jobs/{job.id}/files/{quote(name)}"


def made_at(source: str) -> str | None:
    """The file that `address` made this of, as requests call it; None for any other `src`."""
    found = _ADDRESS.fullmatch(source)
    return found and f"job:{found[1]}/{unquote(found[2])}"


def box(script: str | None = None, **settings: Any) -> gr.HTML:
    """A place for HTML."""
    return gr.HTML(js_on_load=script, apply_default_css=False, **settings)


def own(file: str, value: str, name: str) -> gr.HTML:
    """A component of our own, whose template and script lie beside its module."""
    template, script = (Path(file).with_suffix(ending).read_text() for ending in (".html", ".js"))
    return gr.HTML(value, html_template=template, js_on_load=script, apply_default_css=False, elem_id=name)


@contextmanager
def section(title: str, nothing: str, name: str) -> Iterator[gr.HTML]:
    """A heading, what asks, which is built within, and beside it the place that shows, which is given."""
    gr.Markdown(f"### {title}")
    with gr.Row(equal_height=False):
        shown = box(FLIP, value=empty(nothing), elem_id=name, render=False)
        with gr.Column(scale=1, min_width=260):
            yield shown
        with gr.Column(scale=2, min_width=300):
            shown.render()


def empty(sentence: str) -> str:
    """What a panel says that has nothing to show yet: what to do next."""
    return f'<p class="empty">{escape(sentence)}</p>'


def note(sentence: str) -> str:
    """A sentence beside what is shown."""
    return f'<p class="note" role="status">{escape(sentence)}</p>'


def bar(words: str, done: int = 0, total: int = 0) -> str:
    """Where something stands."""
    value = f' value="{done}" max="{total}"' if total else ""
    return (
        f'<div class="bar"><progress{value} aria-label="progress"></progress>'
        f'<span role="status">{escape(words)}</span></div>'
    )


def picture(source: str, words: str = "", *, text: str | None = None) -> str:
    """A picture with what is under it; `text` is for those who do not see it."""
    under = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    said = escape(words if text is None else text)
    return f'<figure><img src="{escape(source)}" alt="{said}">{under}</figure>'


def row(pictures: Iterable[str]) -> str:
    """Pictures beside each other, as many as there is room for."""
    return f'<div class="pictures">{"".join(pictures)}</div>'


def facts(values: Mapping[str, Any]) -> str:
    """Names and values; what is None or empty is left out."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in values.items()
        if value not in (None, "")
    )
    return f'<dl class="facts">{rows}</dl>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Names of columns, and rows that begin with a name of their own."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(_line(*row) for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def _line(name: str, *values: str) -> str:
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def page(source: str, title: str) -> str:
    """A whole page within this one."""
    return f'<iframe class="inside" src="{escape(source)}" title="{escape(title)}"></iframe>'


def flip(frames: Sequence[tuple[Sequence[str], str]], name: str, at: int = 0) -> str:
    """Frames, each of pictures beside each other and words, with a slider that goes through them."""
    shown = "".join(_frame(sources, words, place == at) for place, (sources, words) in enumerate(frames))
    return (
        f'<div class="flip">{shown}<label>{escape(name)}'
        f'<input type="range" min="0" max="{len(frames) - 1}" value="{at}" step="1"></label></div>'
    )


def choices(frames: Sequence[tuple[str, str, str]]) -> str:
    """Frames, each a word, a picture and words under it; pointing at a word shows its picture."""
    shown = "".join(_frame([source], under, place == 0) for place, (_, source, under) in enumerate(frames))
    buttons = "".join(
        f'<button type="button" data-show="{place}" aria-pressed="{str(place == 0).lower()}">'
        f"{escape(word)}</button>"
        for place, (word, _, _) in enumerate(frames)
    )
    return f'<div class="flip"><div class="words">{buttons}</div>{shown}</div>'


def _frame(sources: Sequence[str], words: str, seen: bool) -> str:
    images = "".join(f'<img src="{escape(source)}" alt="{escape(words)}">' for source in sources)
    hidden = "" if seen else " hidden"
    return f"<figure{hidden}><div>{images}</div><figcaption>{escape(words)}</figcaption></figure>"
