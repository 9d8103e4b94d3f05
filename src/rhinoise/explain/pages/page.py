"""A page is a template and values; out comes one file of HTML that needs nothing else.

How to make one. Beside this file, `mine.html.j2`:

    {% extends "base.html.j2" %}
    {% from "parts.html.j2" import drawing, pictures, table %}
    {% block title %}The subject{% endblock %}
    {% block lede %}<p>What one will see, in a sentence or two.</p>{% endblock %}
    {% block main %}
    <section><h2>Sizes</h2>{{ drawing(sizes, "What to see in it.") }}</section>
    {% endblock %}

and `render("mine.html.j2", sizes=svg(figure))`, written by core.files.write_text. All text is escaped, and a
value that is missing is an error. The blocks `style` and `script` are empty for a page's own CSS and script.
`svg(figure)` puts in a figure of explain.plots: its texts become the page's typeface; black, white and the
palette of plots.style become the page's variables (--ink, --paper, --blue, --orange, --grey, --edge), which
follow light and dark. Draw about 5 inches wide: it fits a telephone unscaled. `data_uri(image)` is for `src`.
Macros in parts.html.j2: drawing(svg, caption), pictures(list of {uri, text}, width), table(head, rows,
caption), facts(dict), bars(list of {name, value}). Classes: `note` (small, grey), `warn`, `wide`, `pixels`.
"""

import base64
import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

import rhinoise
from rhinoise.explain.plots.style import BLUE, EDGE, GREY, ORANGE

QUALITY = 82
"""Of WebP: a thumbnail of 128 pixels takes about 3 KB, and no fault is seen in it."""
FILM_QUALITY = 70
COLOURS = {
    "#000000": "--ink",
    "#ffffff": "--paper",
    BLUE.lower(): "--blue",
    ORANGE.lower(): "--orange",
    GREY.lower(): "--grey",
    EDGE.lower(): "--edge",
}
"""What a figure is drawn in => the page's variable that takes its place."""
_SMALLEST = 0.6
"""A figure that would shrink below this part of its size is scrolled sideways instead: 8 px letters."""


def render(template: str, **values: Any) -> str:
    """A whole page of HTML from a template of this folder; UndefinedError for a value that is missing."""
    return _templates().get_template(template).render(version=rhinoise.__version__, **values)


def data_uri(image: Image.Image, *, lossless: bool = False) -> str:
    """A picture as a `src` that needs no file: WebP, small, or exact to the pixel when `lossless`."""
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=lossless, quality=100 if lossless else QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def film_uri(frames: Sequence[Image.Image], milliseconds: Sequence[int]) -> str:
    """Frames, and how long each stands, as a `src` that moves, again and again."""
    file = io.BytesIO()
    frames[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=list(milliseconds),
        loop=0,
        quality=FILM_QUALITY,
        method=0,
    )
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def svg(figure: Figure) -> Markup:
    """A figure as inline SVG that follows the page's light and dark.

    Ids of groups are dropped, so that many figures live in one page; those of clip paths and markers are a
    hash of what they say, so that equal ids mean equal things.
    """
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rhinoise"}):
        figure.savefig(file, format="svg", facecolor="none", metadata={"Date": None})
    drawn = file.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r"font-family: [^;\"]*;? ?", "", drawn)  # the page has one typeface
    drawn = re.sub(r"#[0-9a-f]{6}(?=[;\"])", _variable, drawn)
    width = figure.get_size_inches()[0] * 96
    shape = f'<svg class="drawing" style="max-width: {width:.0f}px; min-width: {_SMALLEST * width:.0f}px"'
    # The first tag's own width and height, in points, give way to the page's.
    head, rest = drawn.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return Markup(head.replace("<svg", shape, 1) + ">" + rest)


def _variable(colour: re.Match[str]) -> str:
    name = COLOURS.get(colour[0])
    return f"var({name})" if name else colour[0]


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
