"""What an error is called in HTTP: STATUS, for every API alike; each API has its own shape around it."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from rhinoise.core.errors import DeviceError, DiskFullError, PictureError, RhinoiseError
from rhinoise.server.jobs import Job, NotNowError, NotThereError, QueueFullError

RETRY_SECONDS = 5
"""What a full queue asks for."""
STATUS: dict[type[RhinoiseError], int] = {
    QueueFullError: 429,
    NotThereError: 404,
    NotNowError: 409,
    PictureError: 400,
    DeviceError: 503,
    DiskFullError: 507,
}
BAD, FAULT = 400, 500


def status_of(error: RhinoiseError) -> int:
    """The status of a refusal."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), BAD)


def status_of_failed(job: Job) -> int:
    """The status of a job that failed: the request's fault, or the program's."""
    return {None: FAULT, "TooLong": 504, "DeviceError": 503, "DiskFullError": 507}.get(job.sort, BAD)


class Refusal(BaseModel):
    """Why a request was not done."""

    error: str = Field(description="One sentence.")
    detail: list[dict[str, Any]] | None = Field(default=None, description="Of a 422: field by field.")


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal} for status in (400, 401, 403, 404, 409, 413, 422, 429, 507)
}
"""What any of our own addresses may answer instead, as the OpenAPI document says it."""


def sentence_of(errors: Sequence[Any]) -> str:
    """What does not fit in a request, as one sentence; what was sent is not repeated."""
    told = (f"{'.'.join(str(part) for part in error['loc'][1:]) or 'it'}: {error['msg']}" for error in errors)
    return "the request does not fit: " + "; ".join(told)


def add_answers(app: FastAPI) -> None:
    """Errors as JSON, {"error": SENTENCE}, wherever no API has a shape of its own."""

    @app.exception_handler(RhinoiseError)
    async def refused(request: Request, error: RhinoiseError) -> JSONResponse:
        status = status_of(error)
        headers = {"Retry-After": str(RETRY_SECONDS)} if status == 429 else None
        return JSONResponse({"error": str(error)}, status, headers)

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = error.errors()
        detail = [{name: one[name] for name in ("loc", "msg", "type")} for one in errors]
        return JSONResponse({"error": sentence_of(errors), "detail": detail}, 422)

    @app.exception_handler(HTTPException)
    async def not_so(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "a fault of the program: its log tells more"}, FAULT)
