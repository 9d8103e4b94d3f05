"""A picture to start from, and a brush to paint over what of it is to be drawn anew.

Gradio's own editor wants WebGL, and nothing on the page answers where there is none; this is a canvas. Its
value is JSON: {"picture": what to show, as `src`, "mask": white where it was painted, as a data: URI or ""}.
"""

import base64
import io
import json

import gradio as gr
from PIL import Image

from rhinoise.core.errors import PictureError
from rhinoise.server.given import mask_of_transparency
from rhinoise.server.pictures import format_of, from_text
from rhinoise.server.queue.jobs import Job, Jobs
from rhinoise.server.settings import Limits
from rhinoise.server.studio import html

EMPTY = json.dumps({"picture": "", "mask": ""})


def painter() -> gr.HTML:
    """The component."""
    return html.own(__file__, EMPTY, "start")


def showing(source: str, mask: str = "") -> str:
    """Its value with this picture, painted over where the mask, a data: URI, is white."""
    return json.dumps({"picture": source, "mask": mask})


def given(jobs: Jobs, job: Job) -> str:
    """Its value with the picture and the mask that a job started from, if any."""
    if job.request["image"] is None:
        return EMPTY
    mask = "" if job.request["mask"] is None else _uri(_white(jobs.given(job, "mask")))
    return showing(_uri(jobs.given(job, "image")), mask)


def _white(mask: bytes) -> bytes:
    """A mask that is white where to draw: of one with transparency, where that is."""
    try:
        return mask_of_transparency(mask, None)
    except PictureError:  # nowhere transparent
        return mask


def _uri(data: bytes) -> str:
    return f"data:image/{format_of(data).lower()};base64,{base64.b64encode(data).decode()}"


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
