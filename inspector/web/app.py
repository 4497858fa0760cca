"""The application: every part wired, every error with a page of its own."""

from functools import partial
from typing import cast
from urllib.parse import urlencode

from fastapi import FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.security import HTTPBearer
from pydantic_core import ErrorDetails
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from inspector import __version__
from inspector.errors import InspectorError, StoreError
from inspector.problem import explain
from inspector.settings import Settings
from inspector.store import (
    Accounts,
    Archive,
    RecordedScores,
    ReviewQueue,
    Reviews,
    Sessions,
    Setup,
    StaleError,
    Tokens,
    UnknownFrameError,
)
from inspector.web.access import ForbiddenError, LoginNeededError
from inspector.web.assets import ASSETS
from inspector.web.body import BodyLimit
from inspector.web.desk import Desk, desk_of, way_back
from inspector.web.documents import Fault, conflict
from inspector.web.environment import open_templates
from inspector.web.evidence import Evidence, GoneError
from inspector.web.forwarded import Forwarded
from inspector.web.headers import SecurityHeaders, add_security
from inspector.web.languages import open_languages
from inspector.web.live import Live
from inspector.web.message import Message, said
from inspector.web.pages import PAGES
from inspector.web.passwords import Passwords
from inspector.web.refusals import Refusals
from inspector.web.sample_pictures import SamplePictures
from inspector.web.trials import Trials

_EXPLAINED: dict[type[Exception], tuple[int, Message]] = {
    ForbiddenError: (403, Message("Not allowed")),
    InspectorError: (400, Message("This cannot be")),
    UnknownFrameError: (404, Message("No such frame")),
    GoneError: (404, Message("Not there")),
}
"""Errors that say themselves what is to be said: status and title of the answer."""


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """The review page on an open database."""
    app = FastAPI(
        title="inspector",
        version=__version__,
        description="Frames to review and what was decided about them. Send `Authorization: Bearer TOKEN`.",
        openapi_url=None,  # served by the page Help: it needs a login, as all else does
        docs_url=None,
        redoc_url=None,
        responses={"default": {"model": Fault, "description": "It was not done, and why"}},
        dependencies=[Security(HTTPBearer(auto_error=False, description="a token that an administrator made"))],
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    accounts, archive, queue = Accounts(engine), Archive(settings.frames_dir), ReviewQueue(engine)
    languages = open_languages()
    app.state.desk = Desk(
        settings=settings,
        engine=engine,
        accounts=accounts,
        setup=Setup(accounts),
        sessions=Sessions(engine),
        tokens=Tokens(engine),
        passwords=Passwords(accounts),
        refusals=Refusals(),
        archive=archive,
        queue=queue,
        reviews=Reviews(engine),
        languages=languages,
        templates=open_templates(settings, languages),
        navigation=tuple(page.NAV for page in PAGES if hasattr(page, "NAV")),
        evidence=Evidence(settings, archive),
        sample_pictures=SamplePictures(settings.max_pixels),
        live=Live(queue),
        trials=Trials(settings, RecordedScores(engine)),
    )
    for page in PAGES:
        app.include_router(page.router)
    app.mount(ASSETS.address, ASSETS)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders, secure=settings.review.secure)
    if settings.review.behind_tls_proxy:
        app.add_middleware(Forwarded)
    for kind, (status, title) in _EXPLAINED.items():
        app.add_exception_handler(kind, partial(_explained, status=status, title=title))
    app.add_exception_handler(LoginNeededError, _login_needed)
    app.add_exception_handler(StoreError, _store_away)
    app.add_exception_handler(StaleError, _stale)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)
    return app


def wants_json(request: Request) -> bool:
    """Whether a script or a machine asks, rather than a person's browser for a page."""
    return request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", "")


def _login_needed(request: Request, _error: Exception) -> Response:
    if wants_json(request):
        said = {"error": "log in first, or send Authorization: Bearer TOKEN"}
        return JSONResponse(said, status_code=401, headers={"www-authenticate": "Bearer"})
    back = way_back(request)
    query = {"next": back} if back and back != "/" else {}
    if request.method != "GET" and request.url.path != "/logout":
        query["unsent"] = "yes"
    return RedirectResponse(f"/login?{urlencode(query)}" if query else "/login", status_code=303)


def _explained(request: Request, error: Exception, *, status: int, title: Message) -> Response:
    return _told(request, status, title, said(error))


def _store_away(request: Request, error: Exception) -> Response:
    return _told(
        request,
        503,
        Message("The database does not answer"),
        Message(
            "What was decided and not yet recorded is kept in this browser, and is sent when the database is back."
        ),
        detail=str(error),
    )


def _gone(_request: Request, _error: Exception) -> Response:
    """Whoever sent half a request and closed the connection: nobody reads this, and it is no fault of the page."""
    return Response(status_code=400)


def _stale(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StaleError)
    return JSONResponse({"error": str(error), "conflict": conflict(error)}, status_code=409)


def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["loc"] == ("body",) or first["type"] == "json_invalid":
        text = "expected a JSON object, sent as application/json"
    else:
        # Without the input: it may be a password.
        text = explain(cast(ErrorDetails, {"type": first["type"], "msg": first["msg"], "loc": first["loc"][1:]}))
    return _told(request, 422, Message("This request was not understood"), text)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        detail = error.detail if error.detail != "Not Found" else Message("There is no such page.")
        return _told(request, 404, Message("Not found"), detail)
    answer = _told(request, error.status_code, Message("This did not work"), error.detail)
    answer.headers.update(error.headers or {})  # what may be asked instead, that the connection ends
    return answer


def _unforeseen(request: Request, _error: Exception) -> Response:
    text = Message(
        "A fault of the page itself; its trace is in the log. What was decided and not yet recorded is kept here."
    )
    answer = _told(request, 500, Message("This should not have happened"), text)
    # It is sent from outside of everything that wraps the application.
    add_security(answer.headers, secure=desk_of(request).settings.review.secure)
    return answer


def _told(request: Request, status: int, title: Message, text: str, *, detail: str | None = None) -> Response:
    if wants_json(request):
        said = {"error": f"{text} ({detail})" if detail else text}
        return JSONResponse(said, status_code=status)
    back = way_back(request)
    return desk_of(request).page(
        request, "error.html", status=status, title=title, text=text, detail=detail, again=back
    )
