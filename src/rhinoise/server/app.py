"""The application: the queue, the APIs and the page behind one guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.formparsers import MultiPartParser

from rhinoise import __version__
from rhinoise.server import a1111, docs, metrics, native, openai
from rhinoise.server.guard import Guard
from rhinoise.server.logs import log_jobs
from rhinoise.server.queue.jobs import Jobs
from rhinoise.server.refusals import add_refusals
from rhinoise.server.settings import FORM_LIMITS, SPOOLED_BYTES, ServeConfig
from rhinoise.server.studio.page import mount

ROUTERS = (native.router, openai.router, a1111.router, metrics.router)
"""What makes each API's routes of the queue."""


def make_app(config: ServeConfig) -> FastAPI:
    """Everything that one server answers."""
    jobs = Jobs(config)
    log_jobs(jobs)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await jobs.start()
        yield
        await jobs.close()

    app = FastAPI(
        title="rhinoise",
        version=__version__,
        description="Text-to-image models of one's own: pictures, looks into models, trainings.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        form_limits={**FORM_LIMITS},
    )
    MultiPartParser.spool_max_size = SPOOLED_BYTES
    app.state.jobs = jobs
    app.add_middleware(Guard, config=config)

    add_refusals(app)
    for make in ROUTERS:
        app.include_router(make(jobs))
    app.include_router(docs.routes)

    @app.get("/health", tags=["server"])
    async def health() -> dict[str, str]:
        """Whether the server is up."""
        return {"status": "up"}

    @app.get("/ready", tags=["server"], responses={503: {"description": "It is starting."}})
    async def ready() -> JSONResponse:
        """Whether a worker is up: 200, or 503 while none is; and why those are not that did not come up."""
        up, troubles = jobs.ready.is_set(), jobs.dispatch.troubles
        told: dict[str, Any] = {"status": "ready" if up else "starting"}
        if troubles:
            # What a worker said last may hold places of this disk, and this address needs no key.
            told["troubles"] = troubles if config.api_key is None else ["the log says why"]
        return JSONResponse(told, 200 if up else 503)

    mount(app, jobs)
    return app
