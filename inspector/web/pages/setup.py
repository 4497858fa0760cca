"""The first start: whoever holds the link that was printed makes the first account, an administrator."""

import logging
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from inspector.errors import UsageError
from inspector.web.access import ForbiddenError
from inspector.web.desk import Desk, DeskDep
from inspector.web.message import Message, said
from inspector.web.pages.login import logged_in

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)


@router.get("/setup")
def setup_form(request: Request, desk: DeskDep, code: str = "") -> Response:
    """The form, as long as there is no account."""
    if not desk.accounts.empty():
        return RedirectResponse("/login", status_code=303)
    _check(desk, code)
    return desk.page(request, "setup.html", code=code, name="", fault=None)


@router.post("/setup")
def setup(
    request: Request,
    desk: DeskDep,
    code: Annotated[str, Form()],
    name: Annotated[str, Form()],
    password: Annotated[str, Form()],
    again: Annotated[str, Form()],
) -> Response:
    """Makes the first account and logs it in."""
    if not desk.accounts.empty():
        return RedirectResponse("/login", status_code=303)
    _check(desk, code)
    try:
        if password != again:
            raise UsageError(Message("The two passwords differ."))
        account = desk.setup.finish(code, name, password)
    except UsageError as error:
        return desk.page(request, "setup.html", status=400, code=code, name=name, fault=said(error))
    log.info("account made", extra={"account": account.name, "role": account.role.value, "by": None})
    return logged_in(desk, request, account, "/")


def _check(desk: Desk, code: str) -> None:
    if not desk.setup.accepts(code):
        raise ForbiddenError(
            Message("Open the link that the review page printed when it started; each start prints a new one.")
        )
