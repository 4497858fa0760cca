"""Checks: known parts that stations were shown, for whoever must prove that they still tell good from bad."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from inspector.export import check_table
from inspector.store import Checks, Role, Tally
from inspector.store.checks import FoundChecks
from inspector.web.access import Viewer
from inspector.web.desk import Desk, DeskDep, without_empty_fields
from inspector.web.download import CSV, download
from inspector.web.message import Message
from inspector.web.navigation import NavEntry
from inspector.web.period import RANGES, Period, PeriodQuery

NAV = NavEntry("/checks", Message("Checks"), Role.VIEWER)
router = APIRouter()

SHOWN = 2000
LOOKED_THROUGH = 20_000
"""Errors of each reason at each station, for the page; for a file, as many as it may hold."""

_IN_A_FILE = 100_000


@router.get("/checks", include_in_schema=False)
def show_checks(request: Request, desk: DeskDep, _user: Viewer, query: Annotated[PeriodQuery, Query()]) -> Response:
    """A table with the count above; a form's empty fields are cleared out of the address first."""
    if (cleared := without_empty_fields(request, query)) is not None:
        return cleared
    period, stations, found = _find(desk, query, SHOWN, LOOKED_THROUGH)
    return desk.page(
        request,
        "checks.html",
        query=query,
        period=period,
        stations=stations,
        found=found,
        looked_through=LOOKED_THROUGH,
        shifts=list(desk.settings.review.shifts),
        ranges=RANGES,
    )


@router.get("/api/v1/checks", tags=["figures"], summary="Check parts, and whether they were told for what they are")
def checks_for_machines(desk: DeskDep, _user: Viewer, query: Annotated[PeriodQuery, Query()]) -> dict[str, Any]:
    """Newest first. `more`: there are further ones in this time, or so many frames that could not be inspected that
    not all were looked through; so ask for a shorter one.
    """
    period, _, found = _find(desk, query, SHOWN, LOOKED_THROUGH)
    return {
        "since": period.since,
        "until": period.until,
        "passed": found.passed,
        "checks": [
            {"received_at": one.at, "station": one.station, "frame_id": one.frame_id, "part_id": one.part_id,
             "lot": one.lot, "expected": one.expected, "decision": one.decision, "reason": one.reason,
             "score": one.score, "threshold_ng": one.ng, "bank": {"id": one.bank_id, "digest": one.bank_digest},
             "passed": one.passed}
            for one in found.checks
        ],
        "more": found.more or found.passed_over,
    }  # fmt: skip


@router.get(
    "/api/v1/checks.csv",
    tags=["figures"],
    summary="The same as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {CSV: {}}}},
)
def checks_as_csv(desk: DeskDep, _user: Viewer, query: Annotated[PeriodQuery, Query()]) -> StreamingResponse:
    """Newest first, a hundred thousand at most."""
    _, _, found = _find(desk, query, _IN_A_FILE, _IN_A_FILE)
    return download(check_table(found.checks), "checks.csv", CSV)


def _find(desk: Desk, query: PeriodQuery, most: int, look: int) -> tuple[Period, list[str], FoundChecks]:
    """What was asked for, with its time, and all stations that one can ask for."""
    period = query.period(desk.settings.review, datetime.now(UTC))
    stations = desk.stations(Tally(desk.engine).stations())
    asked = stations if query.station is None else [query.station]
    return period, stations, Checks(desk.engine).of(asked, period.spans, most=most, look=look)
