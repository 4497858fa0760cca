"""The largest body that a request may have, as it is read whole into memory, and how long it may take to come."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

from inspector.web.message import Message

MOST_BYTES = 1_000_000
"""The largest decision, about a thousand frames with a note, takes a tenth of it."""

_WITHIN_S = 20.0
"""Until a body has come whole."""


class BodyLimit:
    """Wraps the application: what reads a body of more than MOST_BYTES gets an HTTPException 413 in its place, and 408
    where it does not come within _WITHIN_S.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what comes; a body that says its length is refused before any of it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        announced = int(length) if length.isdecimal() else 0
        came, whole = 0, False
        until = asyncio.get_running_loop().time() + _WITHIN_S

        async def receive_counted() -> Event:
            nonlocal came, whole
            if announced > MOST_BYTES:
                raise _too_large()
            try:
                async with asyncio.timeout_at(None if whole else until):
                    message = await receive()
            except TimeoutError:
                raise _too_slow() from None
            whole = not message.get("more_body", False)
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                raise _too_large()
            return message

        await self._app(scope, receive_counted, send)


def _too_large() -> HTTPException:
    text = Message("A request may bring %(most)s kB at most.", most=MOST_BYTES // 1000)
    return HTTPException(413, text, {"connection": "close"})


def _too_slow() -> HTTPException:
    text = Message("A request has to come within %(seconds)s s.", seconds=round(_WITHIN_S))
    return HTTPException(408, text, {"connection": "close"})
