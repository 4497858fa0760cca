"""Frames of a part, also those that nobody was asked about: where an escape is entered."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from inspector.web.access import Operator
from inspector.web.desk import DeskDep

router = APIRouter(include_in_schema=False)


@router.get("/find")
def find(
    request: Request, desk: DeskDep, _user: Operator, part: Annotated[str, Query(min_length=1, max_length=128)]
) -> Response:
    """Every frame of the part that has a verdict, newest first."""
    return desk.page(request, "find.html", part=part, rows=desk.queue.find(part=part))
