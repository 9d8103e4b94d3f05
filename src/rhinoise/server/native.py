"""Our own API, /api/v1: jobs of every kind, their events as they happen, files, models, names to choose."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, UploadFile
from fastapi import Form as Sent
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from rhinoise.core.errors import PictureError
from rhinoise.core.files import replacing
from rhinoise.server import folders, models
from rhinoise.server.asks import AnyAsk
from rhinoise.server.drawing import SAID, Form, check_size, encoded, size_said
from rhinoise.server.pictures import checked
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.refusals import REFUSALS
from rhinoise.server.store import STATES, Job, State
from rhinoise.storage.provenance import read_provenance


class JobListed(BaseModel):
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


class JobTold(JobListed):
    """Where a job stands, and what it has made."""

    files: list[str] = Field(description="What it has made: GET /api/v1/jobs/{id}/files/{name}.")


class UploadTold(BaseModel):
    """A file that was sent; requests call it by this name."""

    name: str


class FolderTold(BaseModel):
    """Pictures that were sent together; requests call them by this name."""

    name: str
    pictures: int = Field(description="How many of what was sent now.")
    captions: int = Field(description="Files of captions, likewise.")
    refused: dict[str, str] = Field(description="Files that were not taken, and why.")


class ModelTold(BaseModel):
    """A model."""

    name: str
    default: bool
    trained_here: bool = Field(description="Only such a model can be deleted.")
    about: dict[str, Any] | None = Field(description="Null until the worker has looked at it.")


def router(jobs: Jobs) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v1", tags=["native"], responses=REFUSALS)

    def listed(job: Job) -> dict[str, Any]:
        return {name: getattr(job, name) for name in JobListed.model_fields}

    async def told(job: Job) -> JobTold:
        return JobTold(files=await asyncio.to_thread(jobs.files, job), **listed(job))

    @routes.post("/jobs", status_code=202)
    async def submit(ask: AnyAsk) -> JobTold:
        """Accept a job: it will be done, or it will say why not, also after a restart."""
        return await told(await jobs.submit(ask, source="api"))

    @routes.get("/jobs")
    async def select(
        state: State | None = None,
        kind: str | None = None,
        most: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[JobListed]:
        """The newest jobs first."""
        states = STATES if state is None else (state,)
        found = jobs.store.select(states, [kind] if kind else [], newest_first=True, most=most)
        return [JobListed(**listed(job)) for job in found]

    @routes.get("/jobs/{id}")
    async def one(id: str) -> JobTold:
        """Where a job stands."""
        return await told(jobs.get(id))

    @routes.delete("/jobs/{id}")
    async def cancel(id: str) -> JobTold:
        """End a job at its next step."""
        return await told(jobs.cancel(id))

    @routes.post("/jobs/{id}/{what}")
    async def put_off(id: str, what: Literal["pause", "resume"]) -> JobTold:
        """Put a training off, which saves first; or go on with it."""
        return await told({"pause": jobs.pause, "resume": jobs.resume}[what](id))

    @routes.get("/jobs/{id}/events", response_class=StreamingResponse)
    async def events(id: str, last_event_id: Annotated[int, Header()] = 0) -> StreamingResponse:
        """All that happens to a job, as server-sent events, from the beginning or after the last seen."""
        jobs.get(id)

        async def lines() -> AsyncIterator[str]:
            async for number, event in jobs.events(id, last_event_id):
                yield f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(event)}\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    @routes.get("/jobs/{id}/files/{name:path}", response_class=FileResponse)
    async def file(id: str, name: str, size: Annotated[str, Query(pattern=SAID)] = "auto") -> Response:
        """A file that the job has made; a picture that was drawn is resampled to another `size`."""
        path, wanted = jobs.made(jobs.get(id), name), size_said(size)
        if wanted is None:
            return FileResponse(path)
        check_size(wanted, jobs.config.limits)
        if read_provenance(path).request is None:
            raise PictureError(f"{path.name} was not drawn: leave its size as it is")
        data = await asyncio.to_thread(encoded, path, Form(size=wanted))
        return Response(data, media_type="image/png")

    @routes.post("/uploads", status_code=201)
    async def upload(file: UploadFile) -> UploadTold:
        """Send a picture, to be named in requests."""
        id = secrets.token_hex(16)

        def keep() -> None:
            data = checked(file.file.read(jobs.config.limits.upload_bytes + 1), jobs.config.limits)
            with replacing(jobs.config.uploads / id) as temporary:
                temporary.write_bytes(data)

        await asyncio.to_thread(keep)
        return UploadTold(name=f"upload:{id}")

    @routes.post("/folders", status_code=201)
    async def folder(files: list[UploadFile], into: Annotated[str, Sent()] = "") -> FolderTold:
        """Send pictures to be trained on, with captions: cat.txt beside cat.png, or a metadata.csv.

        `into` adds them to a folder that is there: more than 1,000 files are sent in several requests.
        """
        most = max(jobs.config.limits.upload_bytes, folders.METADATA_BYTES) + 1
        sent = ((file.filename or "", file.file.read(most)) for file in files)
        return FolderTold(**vars(await asyncio.to_thread(folders.keep, sent, jobs.config, into)))

    @routes.get("/models")
    async def list_models() -> list[ModelTold]:
        """The models, the default one first."""
        return [ModelTold(**model) for model in models.told(jobs)]

    @routes.delete("/models/{name}", status_code=204)
    async def forget_model(name: str) -> None:
        """Delete a model that was trained here, with its run."""
        models.forget(jobs, name)

    @routes.get("/models/{name}/export", response_class=StreamingResponse)
    async def export(name: str) -> StreamingResponse:
        """A model folder as a zip, which `rhinoise generate --model` and others open when it is unpacked."""
        ways = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}.zip"}
        return StreamingResponse(models.zipped(jobs, name), headers=ways, media_type="application/zip")

    @routes.get("/facts")
    async def facts() -> dict[str, Any]:
        """Models with their cards, and names of samplers, schedules, recipes; null until a worker is up."""
        return {"default": next(iter(jobs.registry.models()), None), "worker": jobs.facts}

    return routes
