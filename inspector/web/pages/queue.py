"""The queue: flagged frames, worst or newest first."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from inspector.store import Cursor, Role
from inspector.web.access import Viewer
from inspector.web.desk import DeskDep, without_empty_fields
from inspector.web.filters import QueueQuery
from inspector.web.message import Message
from inspector.web.navigation import NavEntry

NAV = NavEntry("/", Message("Queue"), Role.OPERATOR)
PAGE = 48
"""Frames on one page."""

router = APIRouter(include_in_schema=False)


class _Place(QueueQuery):
    """A filter, and where in the queue to go on."""

    after: str | None = None
    before: str | None = None


@router.get("/")
def show_queue(request: Request, desk: DeskDep, user: Viewer, place: Annotated[_Place, Query()]) -> Response:
    """A page of the queue; a form's empty fields are cleared out of the address first. A viewer is led to the line."""
    if not user.role.covers(Role.OPERATOR):
        return RedirectResponse("/line", status_code=303)
    query = QueueQuery.model_validate(place.model_dump(include=set(QueueQuery.model_fields)))
    if (cleared := without_empty_fields(request, query)) is not None:
        return cleared
    filters = query.filter(desk.settings.review)
    after = None if place.after is None else Cursor.decode(place.after)
    before = None if place.before is None else Cursor.decode(place.before)
    pulse = desk.queue.pulse()  # before the page is read: what comes meanwhile is told as a change
    page = desk.queue.page(filters, after, PAGE, before)
    counts = desk.queue.counts(filters)
    return desk.page(
        request,
        "queue.html",
        page=page,
        absence_of=desk.evidence.absence,
        without_bank=desk.without_bank(),
        pulse=pulse,
        counts=counts,
        query=query,
        stations=desk.stations(counts.open),
        shifts=list(desk.settings.review.shifts),
        link=query.text(),
        first_page=after is None and before is None,
    )
