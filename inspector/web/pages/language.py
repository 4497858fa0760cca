"""In which language the pages are, chosen in this browser."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Response
from fastapi.responses import RedirectResponse

from inspector.web.desk import LANGUAGE_COOKIE, DeskDep
from inspector.web.message import Message
from inspector.web.own_path import own_path

router = APIRouter(include_in_schema=False)

_YEAR_S = 365 * 24 * 3600


@router.post("/language")
def choose(desk: DeskDep, language: Annotated[str, Form()], back: Annotated[str, Form()] = "/") -> Response:
    """The browser keeps the choice, whoever logs in there. back: the page that it is chosen on."""
    if language not in desk.languages:
        raise HTTPException(400, Message("The pages are not in this language."))
    answer = RedirectResponse(own_path(back), status_code=303)
    answer.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=_YEAR_S,
        path="/",
        secure=desk.settings.review.secure,
        httponly=True,
        samesite="lax",
    )
    return answer
