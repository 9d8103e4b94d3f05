"""The application: the queue, the APIs and the page behind one guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from rhinoise import __version__
from rhinoise.server import a1111, docs, metrics, native, openai
from rhinoise.server.guard import Guard
from rhinoise.server.jobs import Jobs
from rhinoise.server.logs import log_jobs
from rhinoise.server.refusals import add_refusals
from rhinoise.server.settings import ServeConfig
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
    )
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
        """Whether a worker is up: 200, or 503 while it is starting."""
        up = jobs.ready.is_set()
        return JSONResponse({"status": "ready" if up else "starting"}, 200 if up else 503)

    mount(app, jobs)
    return app
