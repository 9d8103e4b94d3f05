"""Errors in words: what a handler raises for a person's eyes is a sentence, never a traceback."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from pydantic import ValidationError

from rhinoise.core.errors import RhinoiseError
from rhinoise.server.queue.jobs import Job

EXPECTED = (RhinoiseError, ValidationError)
OWN: Mapping[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""How handlers of the page are bound: no part of its API, and what they show tells how far they are."""


def in_words(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The same handler, an async function or generator, whose refusals the page shows as sentences."""
    if inspect.isasyncgenfunction(handler):

        @functools.wraps(handler)
        async def generating(*values: Any) -> Any:
            try:
                async for shown in handler(*values):
                    yield shown
            except EXPECTED as error:
                raise _shown(error) from None

        return generating

    @functools.wraps(handler)
    async def answering(*values: Any) -> Any:
        try:
            return await handler(*values)
        except EXPECTED as error:
            raise _shown(error) from None

    return answering


def check_done(job: Job) -> Job:
    """The job; gr.Error with its sentence where it failed or was cancelled."""
    if job.state == "failed":
        raise _error(job.error or "it failed, and did not say why")
    if job.state == "cancelled":
        raise gr.Error("this was cancelled", title="Cancelled", duration=4, print_exception=False)
    return job


def _shown(error: Exception) -> gr.Error:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        if first["type"] == "string_pattern_mismatch":
            return _error(f"{first['input']!r} is no name: take letters, digits, _ and -, such as my-model")
        where = ".".join(str(part) for part in first["loc"][1:] or first["loc"])
        return _error(f"{where}: {first['msg']}" if where else first["msg"])
    return _error(str(error))


def _error(sentence: str) -> gr.Error:
    return gr.Error(sentence, title="That did not work", print_exception=False)
