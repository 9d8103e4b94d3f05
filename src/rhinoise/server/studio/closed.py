"""Gradio closed up: it fetches nothing from elsewhere, and reads no file but what was sent to the page."""

from typing import Any

import gradio as gr
from gradio import processing_utils


def closed(page: gr.Blocks) -> gr.Blocks:
    """The page, for which no value that is sent, or shown, can name another host's or this disk's files."""
    # All of Gradio's fetching goes through this: of inputs of any component, and of outputs alike.
    processing_utils.async_ssrf_protected_get = _refused
    # Gradio looks at where files lie only of pages that were launched, which a mounted one never is.
    page.has_launched = True
    return page


async def _refused(url: str) -> Any:
    raise gr.Error("this server fetches nothing from elsewhere", print_exception=False)
