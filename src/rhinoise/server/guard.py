"""Who may ask, and how much they may send: checked before anything else, for every address alike."""

import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rhinoise.server.settings import ServeConfig

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
OPEN = ("/health", "/ready")
"""Addresses that need no key: they tell nothing."""


class Guard:
    """ASGI middleware: the API key, posts from other sites, and the size of what is sent."""

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self.app, self.config = app, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            status, sentence = refusal
            await JSONResponse({"error": sentence}, status, _challenge(status))(scope, receive, send)
            return
        await self.app(scope, self._measured(receive), send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        key, method = self.config.api_key, scope.get("method", "GET")
        if key is not None and scope["path"] not in OPEN and not _has_key(headers, key):
            return (
                401,
                "this server wants its API key: Authorization: Bearer KEY, or as HTTP Basic's password",
            )
        if method not in SAFE and _is_cross_site(headers):
            return 403, "requests from other sites' pages are refused"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.config.limits.folder_bytes:
            return 413, "this is more than the server takes at once"
        return None

    def _measured(self, receive: Receive) -> Receive:
        """What is sent without a length is counted."""
        got = 0

        async def counting() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self.config.limits.folder_bytes:
                return {"type": "http.disconnect"}
            return message

        return counting


def _has_key(headers: Headers, key: str) -> bool:
    """Compared in constant time, whichever way it was sent."""
    from base64 import b64decode
    from binascii import Error

    scheme, _, sent = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            sent = b64decode(sent, validate=True).decode().partition(":")[2]
        except (Error, UnicodeDecodeError):
            return False
    return hmac.compare_digest(sent.encode(), key.encode())


def _is_cross_site(headers: Headers) -> bool:
    """Whether a browser sent this for a page of another origin; other clients send neither header."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _challenge(status: int) -> Mapping[str, str] | None:
    return {"WWW-Authenticate": "Basic realm=rhinoise"} if status == 401 else None
