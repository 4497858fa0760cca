"""Who asks and how, where a proxy stands between: the proxy says whom it serves, and browsers reach it by TLS."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send


class Forwarded:
    """Wraps the application behind a proxy that terminates TLS.

    Of X-Forwarded-For the last address counts, which is the proxy's own word: what stands before it, the client may
    have sent itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Puts the client and the scheme in place."""
        if scope["type"] == "http":
            scope = {**scope, "scheme": "https"}
            said = Headers(scope=scope).getlist("x-forwarded-for")
            if said and (address := said[-1].rpartition(",")[2].strip()):
                scope["client"] = (address, 0)
        await self._app(scope, receive, send)
