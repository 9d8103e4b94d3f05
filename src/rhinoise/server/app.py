"""The application: the queue, the APIs and the page behind one guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from rhinoise.core.errors import RhinoiseError
from rhinoise.server import native
from rhinoise.server.answers import RETRY_SECONDS, status_of
from rhinoise.server.guard import Guard
from rhinoise.server.jobs import Jobs
from rhinoise.server.settings import ServeConfig
from rhinoise.server.studio.page import mount

ROUTERS = (native.router,)
"""What makes each API's routes of the queue."""


def make_app(config: ServeConfig) -> FastAPI:
    """Everything that one server answers."""
    jobs = Jobs(config)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await jobs.start()
        yield
        await jobs.close()

    app = FastAPI(title="rhinoise", lifespan=life, docs_url=None, redoc_url=None)
    app.state.jobs = jobs
    app.add_middleware(Guard, config=config)

    @app.exception_handler(RhinoiseError)
    async def refused(request: Request, error: RhinoiseError) -> JSONResponse:
        status = status_of(error)
        headers = {"Retry-After": str(RETRY_SECONDS)} if status == 429 else None
        return JSONResponse({"error": str(error)}, status, headers)

    for make in ROUTERS:
        app.include_router(make(jobs))

    @app.get("/health", tags=["server"])
    async def health() -> dict[str, str]:
        """Whether the server is up."""
        return {"status": "up"}

    @app.get("/ready", tags=["server"])
    async def ready() -> JSONResponse:
        """Whether a worker is up: 200, or 503 while it is starting."""
        up = jobs.ready.is_set()
        return JSONResponse({"status": "ready" if up else "starting"}, 200 if up else 503)

    mount(app, jobs)
    return app
