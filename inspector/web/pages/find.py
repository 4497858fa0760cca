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

    Where there is no such part, it is looked for as it may have been meant before a tablet changed it.
    """
    rows, asked = desk.queue.of_part(part, limit=PAGE + 1, before=before), part
    if not rows and before is None:
        for meant in _meant(part):
            if rows := desk.queue.of_part(meant, limit=PAGE + 1):
                part = meant
                break
    shown = rows[:PAGE]
    older = shown[-1].id if len(rows) > PAGE else None
    other = asked.strip() if part.strip() != asked.strip() else None
    return desk.page(request, "find.html", part=part, other=other, rows=shown, before=before, older=older)


def _meant(typed: str) -> list[str]:
    """What may be meant: a tablet adds a blank to a word that it completes, and begins it with a capital letter."""
    bare = typed.strip()
    return list(dict.fromkeys((bare, bare[:1].swapcase() + bare[1:], bare.lower(), bare.upper())))
