"""The largest body that a request may have, as it is read whole into memory, and how long it may take to come."""

import asyncio
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

from inspector.web.message import Message

PICTURES = "/samples/pictures"
"""The path that takes pictures, each the body of a request."""

RAW = "application/octet-stream"
"""How such a body is called. What calls itself a form is read for its CSRF token, before the role is known."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """The most bytes, and seconds until they have come whole."""

    most_bytes: int
    within_s: float


_BODY = _Bound(1_000_000, 20.0)
"""The largest decision, about a thousand frames with a note, takes a tenth of it."""

_PICTURE = _Bound(64_000_000, 120.0)
"""The largest frames that cameras of this product send, 64 MP in colour, are half of it as PNG."""


class BodyLimit:
    """Wraps the application: what reads a body that is too large gets an HTTPException 413 in its place, and 408 where
    it does not come in time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what comes; a body that says its length is refused before any of it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        raw = headers.get("content-type", "").strip().lower() == RAW
        bound = _PICTURE if raw and scope["path"] == PICTURES else _BODY
        length = headers.get("content-length", "")
        announced = int(length) if length.isdecimal() else 0
        came, whole = 0, False
        until = asyncio.get_running_loop().time() + bound.within_s

        async def receive_counted() -> Event:
            nonlocal came, whole
            if announced > bound.most_bytes:
                raise _too_large(bound)
            try:
                async with asyncio.timeout_at(None if whole else until):
                    message = await receive()
            except TimeoutError:
                raise _too_slow(bound) from None
            whole = not message.get("more_body", False)
            came += len(message.get("body", b""))
            if came > bound.most_bytes:
                raise _too_large(bound)
            return message

        await self._app(scope, receive_counted, send)


def _too_large(bound: _Bound) -> HTTPException:
    text = Message("A request may bring %(most)s kB at most.", most=bound.most_bytes // 1000)
    return HTTPException(413, text, {"connection": "close"})


def _too_slow(bound: _Bound) -> HTTPException:
    text = Message("A request has to come within %(seconds)s s.", seconds=round(bound.within_s))
    return HTTPException(408, text, {"connection": "close"})
