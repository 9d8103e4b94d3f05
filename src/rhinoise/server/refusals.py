"""How an error is told in HTTP: its status, the same for all; its shape, by the API that was asked."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rhinoise.core.errors import DeviceError, DiskFullError, PictureError, RhinoiseError, UnknownNameError
from rhinoise.server.errors import NotDrawnError, NotNowError, NotThereError, QueueFullError
from rhinoise.server.store import Job

BAD, NOT_THERE, CONFLICT, UNPROCESSABLE, TOO_MANY = 400, 404, 409, 422, 429
GONE = 499
"""Of answers that nobody reads (nginx's number)."""
FAULT, UNAVAILABLE, TOO_LONG, FULL = 500, 503, 504, 507
RETRY_SECONDS = 5
"""What a full queue asks for."""

STATUS: Mapping[type[RhinoiseError], int] = {
    UnknownNameError: NOT_THERE,
    QueueFullError: TOO_MANY,
    NotThereError: NOT_THERE,
    NotNowError: CONFLICT,
    PictureError: BAD,
    DeviceError: UNAVAILABLE,
    DiskFullError: FULL,
}
"""Of an error; all others are BAD."""
STATUS_OF_FAILED: Mapping[str | None, int] = {
    None: FAULT,
    "TooLong": TOO_LONG,
    "DeviceError": UNAVAILABLE,
    "DiskFullError": FULL,
}
"""Of a job that failed, by the sort of its error; all others are BAD."""


# --- what is told


@dataclass(frozen=True)
class Refusal:
    """Why something is not done."""

    status: int
    sentence: str
    name: str | None = None
    """The parameter at fault, where it is one."""


def refusal_of(error: Exception) -> Refusal:
    """What an error says, of whatever kind it is; those that are no one's refusal are raised again."""
    match error:
        case NotDrawnError():
            return Refusal(_status_of(error.job), str(error))
        case RhinoiseError():
            status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), BAD)
            return Refusal(status, str(error), error.kind if isinstance(error, UnknownNameError) else None)
        case RequestValidationError() | ValidationError():
            return _invalid(error.errors()[0])
        case sqlite3.OperationalError() if "disk is full" in str(error):
            return Refusal(FULL, "the disk is full: free some space and try again")
        case HTTPException():
            return Refusal(error.status_code, str(error.detail))
    raise error


def _status_of(job: Job) -> int:
    """Of a job that ended without what was asked for."""
    if job.state == "failed":
        return STATUS_OF_FAILED.get(job.sort, BAD)
    return CONFLICT if job.state == "cancelled" else UNAVAILABLE


def _invalid(first: Mapping[str, Any]) -> Refusal:
    """What pydantic says of the first fault it found."""
    place = [str(part) for part in first["loc"] if part != "body"]
    said = re.sub(r"^Value error, ", "", first["msg"])
    # The name comes from who asks, and may be of any length.
    name = ".".join(place)[:100] or None
    return Refusal(UNPROCESSABLE, f"{name}: {said}" if name else said, name)


# --- how each API says it


def _openai(refusal: Refusal) -> dict[str, Any]:
    kind = "server_error" if refusal.status >= FAULT else "invalid_request_error"
    code = _CODES.get((refusal.status, refusal.name)) or _CODES.get((refusal.status, None))
    return {"error": {"message": refusal.sentence, "type": kind, "param": refusal.name, "code": code}}


_CODES = {
    (401, None): "invalid_api_key",
    (NOT_THERE, "model"): "model_not_found",
    (TOO_MANY, None): "rate_limit_exceeded",
}


class RefusalTold(BaseModel):
    """Why a request was not done, as our own addresses say it."""

    error: str = Field(description="One sentence.")


class ForeignRefusalTold(BaseModel):
    """The same, as AUTOMATIC1111's API says it."""

    error: str
    detail: str = Field(description="One sentence.")
    body: str
    errors: str = Field(description="The sentence again.")


def _a1111(refusal: Refusal) -> dict[str, Any]:
    said = refusal.sentence
    return ForeignRefusalTold(error="HTTPException", detail=said, body="", errors=said).model_dump()


def _native(refusal: Refusal) -> dict[str, Any]:
    return RefusalTold(error=refusal.sentence).model_dump()


_STATUSES = (BAD, 401, 403, NOT_THERE, CONFLICT, 413, UNPROCESSABLE, TOO_MANY, FULL)
REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": RefusalTold} for status in _STATUSES}
"""What any of our own addresses may answer instead, for the OpenAPI document."""
FOREIGN_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ForeignRefusalTold} for status in _STATUSES
}
"""Likewise of AUTOMATIC1111's addresses."""


@dataclass(frozen=True)
class Shape:
    """How an API refuses."""

    body: Callable[[Refusal], dict[str, Any]]
    invalid: int
    """The status of what is not even a request."""


SHAPES = {"/v1/": Shape(_openai, BAD), "/sdapi/": Shape(_a1111, UNPROCESSABLE)}
"""What addresses begin with => how they refuse."""
NATIVE = Shape(_native, UNPROCESSABLE)


def refused(path: str, refusal: Refusal, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer to a request for this path."""
    retry = {"Retry-After": str(RETRY_SECONDS)} if refusal.status == TOO_MANY else {}
    status = _shape(path).invalid if refusal.status == UNPROCESSABLE else refusal.status
    return JSONResponse(body(path, refusal), status, {**retry, **(headers or {})})


def body(path: str, refusal: Refusal) -> dict[str, Any]:
    """A refusal as the API at this path says it."""
    return _shape(path).body(refusal)


def _shape(path: str) -> Shape:
    return next((shape for start, shape in SHAPES.items() if path.startswith(start)), NATIVE)


# --- for the application


def add_refusals(app: FastAPI) -> None:
    """Every error is told in the shape of the API that was asked."""

    async def told(request: Request, error: Exception) -> Response:
        headers = error.headers if isinstance(error, HTTPException) else None
        return refused(request.url.path, refusal_of(error), headers)

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=GONE)

    async def fault(request: Request, error: Exception) -> Response:
        return refused(request.url.path, Refusal(FAULT, "a fault of the program: its log tells more"))

    for kind in (
        RhinoiseError,
        RequestValidationError,
        ValidationError,
        HTTPException,
        sqlite3.OperationalError,
    ):
        app.add_exception_handler(kind, told)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, fault)
