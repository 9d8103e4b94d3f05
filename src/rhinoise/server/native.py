"""Our own API, /api/v1: jobs of every kind, their events as they happen, files, names to choose from."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from rhinoise.server.asks import AnyAsk
from rhinoise.server.jobs import Jobs
from rhinoise.server.pictures import checked
from rhinoise.server.store import STATES, Job, State


class JobTold(BaseModel):
    """Where a job stands."""

    id: str
    kind: str
    request: dict[str, Any]
    state: State
    created: float
    started: float | None
    ended: float | None
    error: str | None
    result: dict[str, Any] | None
    files: list[str] = Field(description="What it has made: GET /api/v1/jobs/{id}/files/{name}.")


class UploadTold(BaseModel):
    """A file that was sent; requests call it by this name."""

    name: str


def router(jobs: Jobs) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1", tags=["native"])

    def told(job: Job) -> JobTold:
        folder = jobs.folder(job)
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        names = {name: getattr(job, name) for name in JobTold.model_fields if name != "files"}
        return JobTold(files=files, **names)

    @routes.post("/jobs", status_code=202)
    async def submit(ask: AnyAsk) -> JobTold:
        """Accept a job: it will be done, or it will say why not, also after a restart."""
        return told(jobs.submit(ask, source="api"))

    @routes.get("/jobs")
    async def select(state: State | None = None, kind: str | None = None, most: int = 100) -> list[JobTold]:
        """The newest jobs first."""
        states = STATES if state is None else (state,)
        found = jobs.store.select(states, [kind] if kind else [], newest_first=True, most=most)
        return [told(job) for job in found]

    @routes.get("/jobs/{id}")
    async def one(id: str) -> JobTold:
        """Where a job stands."""
        return told(jobs.get(id))

    @routes.delete("/jobs/{id}")
    async def cancel(id: str) -> JobTold:
        """End a job at its next step."""
        return told(jobs.cancel(id))

    @routes.post("/jobs/{id}/pause")
    async def pause(id: str) -> JobTold:
        """Put a training off; it saves first."""
        return told(jobs.pause(id))

    @routes.post("/jobs/{id}/resume")
    async def resume(id: str) -> JobTold:
        """Go on with a training."""
        return told(jobs.resume(id))

    @routes.get("/jobs/{id}/events", response_class=StreamingResponse)
    async def events(id: str, last_event_id: Annotated[int, Header()] = 0) -> StreamingResponse:
        """All that happens to a job, as server-sent events, from the beginning or after the last seen."""
        jobs.get(id)

        async def lines() -> AsyncIterator[str]:
            async for number, event in jobs.events(id, last_event_id):
                yield f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(event)}\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    @routes.get("/jobs/{id}/files/{name:path}", response_class=FileResponse)
    async def file(id: str, name: str) -> FileResponse:
        """A file that the job has made."""
        return FileResponse(jobs.made(jobs.get(id), name))

    @routes.post("/uploads", status_code=201)
    async def upload(file: UploadFile) -> UploadTold:
        """Send a picture, to be named in requests."""
        data = checked(await file.read(jobs.config.limits.upload_bytes + 1), jobs.config.limits)
        id = secrets.token_hex(16)
        (jobs.config.uploads / id).write_bytes(data)
        return UploadTold(name=f"upload:{id}")

    @routes.get("/facts")
    async def facts() -> dict[str, Any]:
        """Models with their cards, and names of samplers, schedules, recipes; null until a worker is up."""
        return {"default": next(iter(jobs.registry.models()), None), "worker": jobs.facts}

    return routes
