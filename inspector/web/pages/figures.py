"""Figures: how the line, the bank and the people who review are doing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from inspector.review.agreement import Agreement, agreement
from inspector.review.figures import Figures, figures
from inspector.review.panels import panels
from inspector.review.tiles import tiles
from inspector.review.waiting import Waiting, waiting
from inspector.store import Role, Tally
from inspector.web.access import Viewer
from inspector.web.desk import Desk, DeskDep, without_empty_fields
from inspector.web.message import Message
from inspector.web.navigation import NavEntry
from inspector.web.period import RANGES, Period, PeriodQuery

NAV = NavEntry("/figures", Message("Figures"), Role.VIEWER)
router = APIRouter()


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a page and the API show. stations: all that one can ask for."""

    period: Period
    figures: Figures
    agreement: Agreement
    waiting: Waiting
    stations: list[str]


@router.get("/figures", include_in_schema=False)
def show_figures(request: Request, desk: DeskDep, _user: Viewer, query: Annotated[PeriodQuery, Query()]) -> Response:
    """Tiles and charts; a form's empty fields are cleared out of the address first."""
    if (cleared := without_empty_fields(request, query)) is not None:
        return cleared
    counted = _count(desk, query)
    shown = counted.figures, counted.agreement, counted.waiting
    return desk.page(
        request,
        "figures.html",
        query=query,
        period=counted.period,
        complete_since=counted.figures.complete_since,
        tiles=tiles(*shown),
        panels=panels(*shown),
        stations=counted.stations,
        shifts=list(desk.settings.review.shifts),
        ranges=RANGES,
    )


@router.get("/api/v1/figures", tags=["figures"], summary="Rates with intervals, throughput, backlog, agreement")
def figures_for_machines(desk: DeskDep, _user: Viewer, query: Annotated[PeriodQuery, Query()]) -> dict[str, Any]:
    """Rates are 0..1 with an exact 95 % interval, times in seconds. `complete_since`: null, or where retention has
    removed frames of this time, the moment from which on it has all of its shifts; rates are of those alone. The rate
    of false rejects is null while ng frames wait and none is decided; while some wait, it is what was found so far.
    """
    counted = _count(desk, query)
    found, agreed, waited = counted.figures, counted.agreement, counted.waiting
    kappa = None if agreed.kappa is None else dict(zip(("value", "low", "high"), agreed.kappa, strict=True))
    passed = found.escapes
    return {
        "since": counted.period.since,
        "until": counted.period.until,
        "complete_since": found.complete_since,
        "outcomes": found.outcomes,
        "asked": found.asked,
        "waiting": found.waiting,
        "false_rejects": found.false_rejects.to_json(),
        "false_alarms": found.false_alarms.to_json(),
        "uncertain": found.uncertain.to_json(),
        "escapes": {
            "rate": None if passed.rate is None else passed.rate.to_json(),
            "sampled_ok": passed.passed.to_json(),
            "estimated": dict(zip(("value", "low", "high"), passed.estimated, strict=True)),
            "caught": passed.caught,
            "reported": passed.reported,
        },
        "pareto": [{"type": bar.name, "frames": bar.frames, "share": bar.share} for bar in found.pareto],
        "shifts": [
            {"shift": one.span.shift, "day": one.span.day, "begin": one.span.begin, "end": one.span.end,
             "outcomes": one.outcomes, "asked": one.asked, "waiting": one.waiting}
            for one in found.spans
        ],
        "stations": [
            {"station": one.station, "outcomes": one.outcomes, "asked": one.asked, "waiting": one.waiting,
             "false_rejects": one.false_rejects.to_json()}
            for one in found.stations
        ],
        "time_to_review": {"frames": waited.frames, "median_s": waited.median_s, "p90_s": waited.p90_s},
        "agreement": {"same": agreed.same.to_json(), "kappa": kappa},
    }  # fmt: skip


def _count(desk: Desk, query: PeriodQuery) -> _Counted:
    period = query.period(desk.settings.review, datetime.now(UTC))
    tally = Tally(desk.engine)
    stations = desk.stations(tally.stations())
    asked = stations if query.station is None else [query.station]
    outcomes, reviews = tally.counts(asked, period.spans)
    return _Counted(
        period,
        figures(outcomes, reviews, period.spans, tally.removed(asked)),
        agreement(tally.opinions(asked, period.spans)),
        waiting(tally.delays(asked, period.spans)),
        stations,
    )
