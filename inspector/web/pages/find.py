"""Frames of a part, also those that nobody was asked about: where an escape is entered."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from inspector.web.access import Operator
from inspector.web.desk import DeskDep

router = APIRouter(include_in_schema=False)

_SHOWN = 200


@router.get("/find")
def find(
    request: Request, desk: DeskDep, _user: Operator, part: Annotated[str, Query(min_length=1, max_length=128)]
) -> Response:
    """The newest frames of the part that have a verdict; all others are in the queue's filter of it."""
    rows = desk.queue.find(part=part, limit=_SHOWN + 1)
    return desk.page(request, "find.html", part=part, rows=rows[:_SHOWN], more=len(rows) > _SHOWN)
