"""Who may ask, and how much they may send: checked before anything else, for every address alike."""

import hmac
import re
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rhinoise.server.refusals import Refusal, refused
from rhinoise.server.settings import LOOPBACK, ServeConfig

OPEN = ("/health", "/ready")
"""Addresses that need no key: they tell nothing."""
FETCHING = re.compile(r"/gradio_api/(file[=/]https?:|proxy=)", re.IGNORECASE)
"""Addresses of Gradio's that fetch what another host has, for whoever asks."""

FORMS = (
    "/api/v1/uploads",
    "/api/v1/folders",
    "/v1/images/edits",
    "/v1/images/variations",
    "/gradio_api/upload",
)
"""What addresses begin with that take files as a form, which is kept on the disk as it comes."""
IN_BASE64 = ("/sdapi/", "/gradio_api/")
"""What addresses begin with that take pictures as text, which is held in memory."""
ASK_BYTES = 2**20
"""Of all other requests."""

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
        most = self._most(scope, headers)
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
        if _is_cross_site(headers) and not _is_link(method, headers):
            return 403, "requests from other sites' pages are refused"
        if FETCHING.match(scope["path"]):
            return 403, "this server fetches nothing from elsewhere"
        length = headers.get("content-length", "0")
        return None if length.isdecimal() and int(length) <= most else TOO_MUCH

    def _most(self, scope: Scope, headers: Headers) -> int:
        """The bytes that a body may have."""
        path, limits = scope["path"], self.config.limits
        if path.startswith(FORMS) and headers.get("content-type", "").startswith("multipart/form-data"):
            return limits.folder_bytes
        return limits.body_bytes if path.startswith(IN_BASE64) else ASK_BYTES


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
        """The answer, which no other site may read; another one where there was too much."""
        if self.got <= self.most:
            await self._send(_closed(message))
        elif not self.answered:
            self.answered = True
            await _answer(self.scope["path"], *TOO_MUCH)(self.scope, self._receive, self._send)


def _closed(message: Message) -> Message:
    """A message without the headers by which Gradio lets other sites read its answers."""
    if message["type"] != "http.response.start":
        return message
    headers = [
        (name, value)
        for name, value in message.get("headers", ())
        if not name.lower().startswith(b"access-control-")
    ]
    return {**message, "headers": headers}


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


def _is_link(method: str, headers: Headers) -> bool:
    """Whether it is a page that a browser goes to, from wherever it was."""
    return method == "GET" and headers.get("sec-fetch-mode") == "navigate"


def _challenge(status: int) -> Mapping[str, str] | None:
    return {"WWW-Authenticate": "Basic realm=rhinoise"} if status == 401 else None
