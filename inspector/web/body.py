"""The largest body that a request may have, as it is read whole into memory."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1_000_000
"""The largest decision, about a thousand frames with a note, takes a tenth of it."""


class BodyLimit:
    """Wraps the application: what reads a body of more than MOST_BYTES gets an HTTPException 413 in its place."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what comes; a body that says its length is refused before any of it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        announced = int(length) if length.isdecimal() else 0
        came = 0

        async def receive_counted() -> Message:
            nonlocal came
            if announced > MOST_BYTES:
                raise _too_large()
            message = await receive()
            came += len(message.get("body", b""))
            if came > MOST_BYTES:
                raise _too_large()
            return message

        await self._app(scope, receive_counted, send)


def _too_large() -> HTTPException:
    return HTTPException(413, f"A request may bring {MOST_BYTES // 1000} kB at most.", {"connection": "close"})
