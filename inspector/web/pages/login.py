"""Logging in and out, by password or by a link that works once."""

import logging
import math
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from inspector.store import Account
from inspector.web.access import Viewer, begin_session, end_session, present_user
from inspector.web.desk import Desk, DeskDep
from inspector.web.message import Counted, Message
from inspector.web.own_path import own_path
from inspector.web.passwords import TooManyFailuresError
from inspector.web.refusals import address_of

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login_form(request: Request, desk: DeskDep, next: str = "/", unsent: bool = False) -> Response:
    """The form; who is logged in already goes on. unsent: it comes instead of an answer to what a form sent."""
    if desk.accounts.empty():
        return desk.page(request, "first_start.html")
    if present_user(request, desk) is not None:
        return RedirectResponse(own_path(next), status_code=303)
    text = Message("Your session has ended. What you sent was not recorded: log in and send it again.")
    return _form(request, desk, next, fault=text if unsent else None, unsent=unsent)


@router.post("/login")
def login(
    request: Request,
    desk: DeskDep,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Checks name and password; after several failures the name, or the address, has to wait."""
    name = name.strip()  # a tablet adds a space to a word that it completes
    try:
        account = desk.passwords.check(name, password, address=address_of(request))
    except TooManyFailuresError as error:
        desk.refusals.tell(
            request, "login refused: too many failures", _known(desk, name), wait_s=math.ceil(error.wait_s)
        )
        text = Message("Too many failed logins. Try again in %(time)s.", time=_minutes(error.wait_s))
        answer = _form(request, desk, next, status=429, name=name, fault=text)
        answer.headers["retry-after"] = str(math.ceil(error.wait_s))
        return answer
    if account is None:
        log.warning("login failed", extra={"account": _known(desk, name), "address": address_of(request)})
        return _form(request, desk, next, status=401, name=name, fault=Message("Name or password is wrong."))
    return logged_in(desk, request, account, own_path(next))


@router.get("/enter")
def enter(request: Request, desk: DeskDep, code: str, next: str = "/") -> Response:
    """Redeems a login link; it works once. next: where to go then."""
    account = desk.sessions.redeem_link(code)
    if account is None:
        desk.refusals.tell(request, "login link refused: spent, too old or none")
        title = Message("The link is spent")
        text = Message("This link has been used, or is too old. Log in with your password, or ask for a new link.")
        return desk.page(request, "error.html", status=410, title=title, text=text, detail=None, again=None)
    return logged_in(desk, request, account, own_path(next), by_link=True)


@router.post("/logout")
def logout(request: Request, desk: DeskDep, _user: Viewer) -> Response:
    """Ends the session."""
    answer = RedirectResponse("/login", status_code=303)
    end_session(desk, request, answer)
    return answer


def logged_in(desk: Desk, request: Request, account: Account, path: str, *, by_link: bool = False) -> Response:
    """Begins a session and goes on to a page."""
    answer = RedirectResponse(path, status_code=303)
    begin_session(desk, request, answer, account.name, account.role, by_link=by_link)
    log.info("logged in", extra={"account": account.name, "address": address_of(request), "by_link": by_link})
    return answer


def _known(desk: Desk, name: str) -> str | None:
    """The account of this name. What is no name may be a password that was typed in its place: it is not told."""
    return next((one.name for one in desk.accounts.all() if one.name.casefold() == name.casefold()), None)


def _form(
    request: Request,
    desk: Desk,
    target: str,
    *,
    fault: Message | None,
    status: int = 200,
    name: str = "",
    unsent: bool = False,
) -> Response:
    """target: where to go then. unsent: the fault tells of it, also in another language."""
    next = own_path(target)
    here = "/login?" + urlencode({"next": next} | ({"unsent": "yes"} if unsent else {}))
    return desk.page(request, "login.html", status=status, name=name, next=next, address=here, fault=fault)


def _minutes(seconds: float) -> Message:
    return Counted("a minute", "%(number)s minutes", math.ceil(seconds / 60))
