"""Accounts and tokens, for administrators; one's own password, for everybody."""

import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from inspector.errors import UsageError
from inspector.store import AccountError, ConflictError, Role
from inspector.store.frame_row import MAX_ID
from inspector.web.access import Admin, Viewer, begin_session
from inspector.web.desk import Desk, DeskDep
from inspector.web.message import Message, said
from inspector.web.navigation import NavEntry
from inspector.web.passwords import TooManyFailuresError
from inspector.web.refusals import address_of

NAV = NavEntry("/accounts", Message("Accounts"), Role.ADMIN)
log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

_LINK_HOURS = 24.0

_Text = Annotated[str, Form(max_length=1000)]


@router.get("/accounts")
def show_accounts(request: Request, desk: DeskDep, _user: Admin) -> Response:
    """Everybody, and every token."""
    return _page(request, desk)


@router.post("/accounts")
def create(request: Request, desk: DeskDep, user: Admin, name: _Text, password: _Text, role: _Text) -> Response:
    """A new account."""
    try:
        account = desk.accounts.create(name, password, _role(role), by=user.name)
    except ConflictError:
        taken = f"The name {name} is taken. Names differ by more than capitals."
        return _page(request, desk, fault=taken, new_name=name, new_role=role)
    except UsageError as error:
        return _page(request, desk, fault=str(error), new_name=name, new_role=role)
    log.info("account made", extra={"account": account.name, "role": account.role.value, "by": user.name})
    return _page(request, desk, told=f"{account.name} can log in now, as {account.role}.")


@router.post("/accounts/change")
def change(request: Request, desk: DeskDep, user: Admin, name: _Text, action: _Text) -> Response:
    """Role, disabling, enabling, or a link that logs in once and lets a forgotten password be set."""
    secret = None
    try:
        if action == "disable":
            desk.accounts.disable(name, by=user.name)
            told = f"{name} can no longer log in; sessions and tokens have ended."
        elif action == "enable":
            desk.accounts.enable(name, by=user.name)
            told = f"{name} can log in again."
        elif action == "link":
            code = desk.sessions.begin_link(name, _LINK_HOURS, by=user.name)
            secret = f"{request.url.scheme}://{request.url.netloc}/enter?code={code}&next=/account"
            told = f"Logs in as {name}, once, within a day, and lets a new password be set:"
        else:
            desk.accounts.set_role(name, _role(action), by=user.name)
            told = f"{name} is {action} now."
    except (AccountError, UsageError) as error:
        return _page(request, desk, fault=str(error))
    log.info("account changed", extra={"account": name, "to": action, "by": user.name})
    return _page(request, desk, told=told, secret=secret)


@router.post("/tokens")
def create_token(
    request: Request,
    desk: DeskDep,
    user: Admin,
    name: _Text,
    role: _Text,
    days: Annotated[int, Form(ge=0, le=3650)] = 365,
) -> Response:
    """A token in the administrator's own name; shown this once. days: 0 never expires."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    try:
        bearer = desk.tokens.create(name, user.name, _role(role), expires_at, by=user.name)
    except (AccountError, UsageError) as error:
        return _page(request, desk, fault=str(error))
    log.info("token made", extra={"token": name, "role": role, "by": user.name})
    return _page(request, desk, told=f"Token {name}. It is shown only now:", secret=bearer)


@router.post("/tokens/revoke")
def revoke_token(
    request: Request, desk: DeskDep, user: Admin, token: Annotated[int, Form(ge=0, lt=MAX_ID)]
) -> Response:
    """The token is void at once."""
    desk.tokens.revoke(token, by=user.name)
    log.info("token revoked", extra={"token": token, "by": user.name})
    return _page(request, desk, told="The token is void.")


@router.get("/account")
def show_account(request: Request, desk: DeskDep, _user: Viewer) -> Response:
    """One's own."""
    return desk.page(request, "account.html", fault=None)


@router.post("/account")
def set_password(
    request: Request, desk: DeskDep, user: Viewer, password: _Text, again: _Text, present: _Text = ""
) -> Response:
    """Another password; all other sessions of this account end. Who came by a link is not asked the present."""
    fault: str | None = None
    try:
        if not user.by_link and desk.passwords.check(user.name, present) is None:
            log.warning("present password wrong", extra={"account": user.name, "address": address_of(request)})
            fault = Message("The present password is wrong.")
        elif password != again:
            fault = Message("The two new passwords differ.")
        else:
            desk.accounts.set_password(user.name, password, by=user.name, by_link=user.by_link)
    except TooManyFailuresError as error:
        desk.refusals.tell(request, "password refused: too many failures", user.name, wait_s=math.ceil(error.wait_s))
        fault = Message("Too many wrong passwords. Try again in a few minutes.")
    except UsageError as error:
        fault = said(error)
    if fault is not None:
        return desk.page(request, "account.html", status=400, fault=fault)
    log.info("password set", extra={"account": user.name, "by_link": user.by_link})
    answer = RedirectResponse("/", status_code=303)
    begin_session(desk, request, answer, user.name, user.role)
    return answer


def _page(request: Request, desk: Desk, **said: Any) -> Response:
    """new_name, new_role: what the form of a new account says."""
    nothing: dict[str, Any] = {"fault": None, "told": None, "secret": None, "new_name": "", "new_role": Role.OPERATOR}
    values = nothing | said
    return desk.page(
        request,
        "accounts.html",
        page_at=None if request.method == "GET" else "/accounts",
        status=400 if values["fault"] else 200,
        accounts=desk.accounts.all(),
        tokens=desk.tokens.all(),
        roles=[role.value for role in Role],
        now=datetime.now(UTC),
        **values,
    )


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise UsageError(f"role: got {text!r}, expected one of {', '.join(Role)}") from error
