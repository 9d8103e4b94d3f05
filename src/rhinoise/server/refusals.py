"""Refusals in the shape of each API: SHAPES says which addresses have which."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rhinoise.core.errors import RhinoiseError, UnknownNameError
from rhinoise.server.answers import BAD, FAULT, RETRY_SECONDS, status_of
from rhinoise.server.drawing import NotDrawnError

GONE = 499
"""Of answers that nobody reads (nginx's number)."""
NOT_THERE, UNPROCESSABLE, TOO_MANY, FULL = 404, 422, 429, 507


@dataclass(frozen=True)
class Refusal:
    """Why something is not done."""

    status: int
    sentence: str
    name: str | None = None
    """The parameter at fault, where it is one."""


def _openai(refusal: Refusal) -> dict[str, Any]:
    kind = "server_error" if refusal.status >= FAULT else "invalid_request_error"
    code = _CODES.get((refusal.status, refusal.name)) or _CODES.get((refusal.status, None))
    return {"error": {"message": refusal.sentence, "type": kind, "param": refusal.name, "code": code}}


_CODES = {
    (401, None): "invalid_api_key",
    (NOT_THERE, "model"): "model_not_found",
    (TOO_MANY, None): "rate_limit_exceeded",
}


def _a1111(refusal: Refusal) -> dict[str, Any]:
    return {"error": "HTTPException", "detail": refusal.sentence, "body": "", "errors": refusal.sentence}


def _native(refusal: Refusal) -> dict[str, Any]:
    return {"error": refusal.sentence}


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


def refusal_of(error: Exception) -> Refusal:
    """What an error says, of whatever kind it is."""
    match error:
        case NotDrawnError():
            return Refusal(error.status, str(error))
        case UnknownNameError():
            return Refusal(NOT_THERE, str(error), "model" if "unknown model" in str(error) else None)
        case RhinoiseError():
            return Refusal(status_of(error), str(error))
        case RequestValidationError() | ValidationError():
            return _invalid(error.errors()[0])
        case sqlite3.OperationalError() if "disk is full" in str(error):
            return Refusal(FULL, "the disk is full: free some space and try again")
        case HTTPException():
            return Refusal(error.status_code, str(error.detail))
    raise error


def _invalid(first: Mapping[str, Any]) -> Refusal:
    """What pydantic says of the first fault it found."""
    place = [str(part) for part in first["loc"] if part != "body"]
    said = re.sub(r"^Value error, ", "", first["msg"])
    # The name comes from who asks, and may be of any length.
    name = ".".join(place)[:100] or None
    return Refusal(UNPROCESSABLE, f"{name}: {said}" if name else said, name)


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
