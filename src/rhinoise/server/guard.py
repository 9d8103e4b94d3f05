"""Who may ask, and how much they may send: checked before anything else, for every address alike."""

import hmac
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rhinoise.server.refusals import Refusal, refused
from rhinoise.server.settings import LOOPBACK, ServeConfig

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
OPEN = ("/health", "/ready")
"""Addresses that need no key: they tell nothing."""

TOO_MUCH = 413, "this is more than the server takes at once"


class Guard:
    """ASGI middleware: the API key, pages of other sites, and the size of what is sent."""

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self.app, self.config = app, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = self._most(headers)
        refusal = self._refusal(scope, headers, most)
        if refusal is not None:
            await _answer(scope["path"], *refusal)(scope, receive, send)
            return
        measured = Measured(scope, receive, send, most)
        await self.app(scope, measured.receive, measured.send)

    def _refusal(self, scope: Scope, headers: Headers, most: int) -> tuple[int, str] | None:
        key, method = self.config.api_key, scope.get("method", "a websocket")
        if key is None and _hostname(headers) not in LOOPBACK:
            # A page whose name was made to mean this machine (DNS rebinding) is no other site to a browser.
            return 403, "this server is asked as 127.0.0.1 or localhost, or wants a key (--api-key-file)"
        if key is not None and scope["path"] not in OPEN and not _has_key(headers, key):
            return 401, "this server wants its API key: Authorization: Bearer KEY, or HTTP Basic's password"
        if method not in SAFE and _is_cross_site(headers):
            return 403, "requests from other sites' pages are refused"
        length = headers.get("content-length", "0")
        return None if length.isdecimal() and int(length) <= most else TOO_MUCH

    def _most(self, headers: Headers) -> int:
        """The bytes that a body may have: forms are kept on the disk as they come, all else in memory."""
        is_form = headers.get("content-type", "").startswith("multipart/form-data")
        return self.config.limits.folder_bytes if is_form else self.config.limits.body_bytes


class Measured:
    """A request whose body is counted: what is sent without a length, or with a wrong one, ends in a 413."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        self.scope, self._receive, self._send, self.most = scope, receive, send, most
        self.got = 0
        self.answered = False

    async def receive(self) -> Message:
        """A piece of the body; that the client has gone, once there was too much."""
        message = await self._receive()
        self.got += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.got > self.most else message

    async def send(self, message: Message) -> None:
        """The answer; another one where there was too much."""
        if self.got <= self.most:
            await self._send(message)
        elif not self.answered:
            self.answered = True
            await _answer(self.scope["path"], *TOO_MUCH)(self.scope, self._receive, self._send)


def _answer(path: str, status: int, sentence: str) -> Response:
    return refused(path, Refusal(status, sentence), _challenge(status))


def _has_key(headers: Headers, key: str) -> bool:
    """Compared in constant time, whichever way it was sent."""
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return hmac.compare_digest(sent.encode(), key.encode())
        case "basic":
            try:
                sent = b64decode(sent, validate=True).decode().partition(":")[2]
            except (Error, UnicodeDecodeError):
                return False
            return hmac.compare_digest(sent.encode(), key.encode())
    return False


def _hostname(headers: Headers) -> str:
    """The name that the server was asked by, without its port."""
    host = headers.get("host", "")
    return host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]


def _is_cross_site(headers: Headers) -> bool:
    """Whether a browser sent this for a page of another origin; other clients send neither header."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _challenge(status: int) -> Mapping[str, str] | None:
    return {"WWW-Authenticate": "Basic realm=rhinoise"} if status == 401 else None
