"""Who asks: a session cookie with a CSRF token, or a bearer token for machines; and whether the role is enough."""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from starlette.datastructures import UploadFile

from inspector.store import Role
from inspector.store.sessions import came_by_link
from inspector.web.desk import Desk, DeskDep
from inspector.web.glossary import WORDS
from inspector.web.headers import SAFE_METHODS
from inspector.web.message import Message

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_API = "/api/"
_BY_ITSELF = "x-by-itself"
_PORT = re.compile(r":([0-9]{1,5})$")

VIEWER_HOURS = 365 * 24.0
"""How long a viewer's login lasts: a screen on a wall has no keyboard. Whoever disables the account ends it."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. csrf: what unsafe requests of this session must carry; empty for a bearer token.

    by_link: a login link began this session, as for somebody who has forgotten the password.
    """

    name: str
    role: Role
    csrf: str
    by_link: bool = False


class LoginNeededError(Exception):
    """Nobody is logged in, or the session has ended."""


class ForbiddenError(Exception):
    """Logged in, and not allowed to do this; says why."""


def cookie_name(desk: Desk, request: Request) -> str:
    """`__Host-` binds the cookie to this host and to TLS; browsers refuse it without TLS. They do not tell apart the
    ports of a host, so the name does: two pages on one box would log each other out.
    """
    port = _PORT.search(request.headers.get("host", ""))
    return ("__Host-inspector" if desk.settings.review.secure else "inspector") + (f"-{port[1]}" if port else "")


def begin_session(
    desk: Desk, request: Request, response: Response, name: str, role: Role, *, by_link: bool = False
) -> None:
    """Logs an account in: the answer carries the cookie."""
    hours = VIEWER_HOURS if role is Role.VIEWER else desk.settings.review.session_hours
    response.set_cookie(
        cookie_name(desk, request),
        desk.sessions.begin(name, hours, by_link=by_link),
        max_age=int(hours * 3600),
        path="/",
        secure=desk.settings.review.secure,
        httponly=True,
        samesite="lax",
    )


def end_session(desk: Desk, request: Request, response: Response) -> None:
    """Logs out, on this side and in the browser."""
    cookie = request.cookies.get(cookie_name(desk, request))
    if cookie is not None:
        desk.sessions.end(cookie)
    response.delete_cookie(
        cookie_name(desk, request), path="/", secure=desk.settings.review.secure, httponly=True, samesite="lax"
    )


def csrf_of(cookie: str) -> str:
    """The CSRF token of a session: known to whoever holds the cookie, of no use without it."""
    return hmac.digest(cookie.encode(), b"inspector csrf", "sha256").hex()


async def csrf_sent(request: Request) -> str:
    """What the request carries as its CSRF token: a header, or a form's field."""
    if request.method in SAFE_METHODS:
        return ""
    if (header := request.headers.get("x-csrf-token")) is not None:
        return header
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _FORMS:
        return ""
    field: UploadFile | str = (await request.form()).get("csrf", "")
    return field if isinstance(field, str) else ""


def present_user(request: Request, desk: Desk) -> User | None:
    """Who is logged in by cookie or, below /api/, by bearer token.

    Raises:
        StoreError: the database does not answer.
    """
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and request.url.path.startswith(_API):
        known = desk.tokens.account(bearer.strip())
        if known is None:
            desk.refusals.tell(request, "token refused: void, too old or none")
            return None
        return User(known[0].name, known[1], "")
    cookie = request.cookies.get(cookie_name(desk, request))
    account = None if cookie is None else desk.sessions.account(cookie, used=not _by_itself(request))
    if cookie is None or account is None:
        return None
    return User(account.name, account.role, csrf_of(cookie), came_by_link(cookie))


def _by_itself(request: Request) -> bool:
    """Whether an open page may ask this by itself: the stream, thumbnails, and requests whose script says so.

    A stream or a picture cannot carry a header of ours, so they are known by their path.
    """
    return request.url.path.endswith(("/live", "/thumbnail")) or _BY_ITSELF in request.headers


def _require(role: Role) -> Callable[..., Any]:
    def checked(request: Request, desk: DeskDep, csrf: Annotated[str, Depends(csrf_sent)]) -> User:
        user = present_user(request, desk)
        if user is None:
            raise LoginNeededError
        request.state.user = user
        if (
            user.csrf
            and request.method not in SAFE_METHODS
            and not hmac.compare_digest(csrf.encode(errors="surrogatepass"), user.csrf.encode())
        ):
            raise ForbiddenError(Message("This page was opened before the present login. Reload it and try again."))
        if not user.role.covers(role):
            needed = {"needed": WORDS[role], "name": user.name, "role": WORDS[user.role]}
            raise ForbiddenError(Message("This needs the role %(needed)s; %(name)s is %(role)s.", **needed))
        return user

    return checked


Viewer = Annotated[User, Depends(_require(Role.VIEWER))]
Operator = Annotated[User, Depends(_require(Role.OPERATOR))]
Engineer = Annotated[User, Depends(_require(Role.ENGINEER))]
Admin = Annotated[User, Depends(_require(Role.ADMIN))]
