"""Headers of every answer, and refusal of what another site's page sends in a browser's name."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Those that change nothing."""


class SecurityHeaders:
    """Wraps the application. secure: browsers reach it by TLS, and are told to keep doing so."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds the headers; answers 403 itself to an unsafe request that another site's page makes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_security(MutableHeaders(scope=message), secure=self._secure)
            await send(message)

        if scope["method"] not in SAFE_METHODS and from_another_site(Headers(scope=scope)):
            refusal = PlainTextResponse("This request came from a page of another site and was refused.\n", 403)
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def add_security(headers: MutableHeaders, *, secure: bool) -> None:
    """Those of every answer, where it does not have them."""
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if secure:
        headers.setdefault("strict-transport-security", "max-age=31536000")
    headers.setdefault("cache-control", "no-store")


def from_another_site(headers: Headers) -> bool:
    """Whether a browser says that a page of another origin makes this request."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        return True
