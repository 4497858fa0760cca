"""Frames of a part, also those that nobody was asked about: where an escape is entered."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from inspector.store.frame_row import MAX_ID
from inspector.web.access import Operator
from inspector.web.desk import DeskDep

router = APIRouter(include_in_schema=False)


PAGE = 50
"""Frames on one page."""

_Part = Annotated[str, Query(min_length=1, max_length=128)]
_Before = Annotated[int | None, Query(ge=1, lt=MAX_ID)]


@router.get("/find")
def find(request: Request, desk: DeskDep, _user: Operator, part: _Part, before: _Before = None) -> Response:
    """The frames of the part that have a verdict, newest first, a page of them. before: the last of the page before.

    Where there is no such part, blanks around it are not meant: a tablet adds one to a word that it completes.
    """
    rows = desk.queue.of_part(part, limit=PAGE + 1, before=before)
    if not rows and before is None and (bare := part.strip()) != part:
        part, rows = bare, desk.queue.of_part(bare, limit=PAGE + 1)
    shown = rows[:PAGE]
    older = shown[-1].id if len(rows) > PAGE else None
    return desk.page(request, "find.html", part=part, rows=shown, before=before, older=older)
