"""A picture to start from, and a brush to paint over what of it is to be drawn anew.

Gradio's own editor wants WebGL, and nothing on the page answers where there is none; this is a canvas. Its
value is JSON: {"picture": what to show, as `src`, "mask": white where it was painted, as a data: URI or ""}.
"""

import io
import json
from pathlib import Path

import gradio as gr
from PIL import Image

from rhinoise.server.pictures import from_text
from rhinoise.server.settings import Limits
from rhinoise.server.studio import html

EMPTY = json.dumps({"picture": "", "mask": ""})


def painter() -> gr.HTML:
    """The component."""
    template, script = (Path(__file__).with_suffix(ending).read_text() for ending in (".html", ".js"))
    return gr.HTML(EMPTY, html_template=template, js_on_load=script, apply_default_css=False, elem_id="start")


def showing(address: str) -> str:
    """Its value with this picture, of which nothing is painted."""
    return json.dumps({"picture": address, "mask": ""})


def read(value: str | None, limits: Limits) -> tuple[str | None, dict[str, bytes]]:
    """Its value => the picture's name if it was made here, and the bytes of what was sent, checked."""
    given = json.loads(value or EMPTY)
    source = str(given["picture"])
    made = html.made_at(source)
    files = {} if made or not source else {"image": from_text(source, limits)}
    if given["mask"]:
        mask = from_text(given["mask"], limits)
        with Image.open(io.BytesIO(mask), formats=["PNG"]) as image:
            if image.convert("L").getbbox():
                files["mask"] = mask
    return made, files
