"""Help: keys, words, the API."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from inspector.store import Role
from inspector.web.access import Operator, Viewer
from inspector.web.desk import DeskDep
from inspector.web.message import Message
from inspector.web.navigation import NavEntry

NAV = NavEntry("/help", Message("Help"), Role.OPERATOR)
router = APIRouter(include_in_schema=False)


@router.get("/help")
def show_help(request: Request, desk: DeskDep, _user: Operator) -> Response:
    """One page that answers what the other pages leave open."""
    return desk.page(request, "help.html", endpoints=_endpoints(request))


@router.get("/api/v1/openapi.json")
def describe_api(request: Request, _user: Viewer) -> Response:
    """The API, described for machines."""
    return JSONResponse(request.app.openapi())


def _endpoints(request: Request) -> list[tuple[str, str, str]]:
    """Method, path and summary of each part of the API, from its own description."""
    paths = request.app.openapi()["paths"]
    return [
        (method.upper(), path, operation.get("summary", ""))
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
