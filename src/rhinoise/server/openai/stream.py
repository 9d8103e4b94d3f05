"""A drawing as a stream of server-sent events: partial images while it is under way, then each picture."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from fastapi.concurrency import run_in_threadpool

from rhinoise.server.drawing import Form, drop, encoded, encoded_preview, pictures, size_of
from rhinoise.server.errors import NotDrawnError
from rhinoise.server.pictures import from_text
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.refusals import body, refusal_of
from rhinoise.server.store import Job

NO_TOKENS = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}
"""Nothing is counted in tokens here; clients want the field."""
GENERATION, EDIT = "image_generation", "image_edit"
"""What the events of a stream begin with."""


async def lines(jobs: Jobs, job: Job, form: Form, partials: int, kind: str, path: str) -> AsyncIterator[str]:
    """The events of a stream; who goes away before its end ends the job."""
    about = {
        "created_at": int(job.created),
        "background": "opaque",
        "quality": "auto",
        "output_format": form.format,
    }

    def event(name: str, data: bytes, **more: Any) -> str:
        own = form.size or size_of(data)
        told = {"type": f"{kind}.{name}", "b64_json": base64.b64encode(data).decode()}
        return _line(told | about | {"size": "{}x{}".format(*own)} | more)

    def partial_image(image: str, index: int) -> str:
        data = encoded_preview(from_text(image, jobs.config.limits), form)
        return event("partial_image", data, partial_image_index=index)

    def completed(picture: Path) -> str:
        return event("completed", encoded(picture, form), usage=NO_TOKENS)

    try:
        shown = 0
        async for _, told in jobs.events(job.id):
            # As many as were asked for, evenly between the first step and the last.
            if told["event"] != "preview" or shown == partials:
                continue
            if told["step"] * (partials + 1) >= told["steps"] * (shown + 1):
                for image in told["images"]:
                    yield await run_in_threadpool(partial_image, image, shown)
                shown += 1
        job = jobs.get(job.id)
        if job.state != "done":
            yield _line({"type": "error"} | body(path, refusal_of(NotDrawnError(job))))
            return
        for picture in pictures(jobs, job):
            yield await run_in_threadpool(completed, picture)
    finally:
        drop(jobs, [job])


def _line(told: Mapping[str, Any]) -> str:
    return f"event: {told['type']}\ndata: {json.dumps(told)}\n\n"
