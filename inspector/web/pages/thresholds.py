"""Thresholds: drag them over the recorded scores, see what they would have done, and apply them with a reason."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from inspector.banks.journal import Move
from inspector.banks.promotion import GuardError, apply_thresholds
from inspector.banks.shelf import ChangedError, Shelf
from inspector.charts import scores, svg
from inspector.charts.markup import Markup
from inspector.errors import BankError, EngineError, UsageError
from inspector.review.preview import KINDS, Kind, axis, histogram, preview
from inspector.review.trial import Said, said
from inspector.store import Cases, Role
from inspector.web.access import Engineer, Operator
from inspector.web.address import MOST_SCORE, AddressQuery, Score, Text
from inspector.web.desk import Desk, DeskDep
from inspector.web.message import Message
from inspector.web.navigation import NavEntry
from inspector.web.pages.banks import Reason, Seen, Station
from inspector.web.trials import Trial

NAV = NavEntry("/thresholds", Message("Thresholds"), Role.ENGINEER)
BINS = 110

_NAMES: dict[Kind, tuple[str, str]] = {
    "ok": ("passed", svg.GOOD),
    "false_alarm": ("false alarms", "#00507f"),
    "waiting": ("not decided", "#5f6670"),
    "defect": ("known defects", "#b84f00"),
}

router = APIRouter()


class TrialQuery(AddressQuery):
    """Thresholds on trial; those in use where they are not given."""

    station: Text = Field(default=None, description="site/area/line/station; the first of the settings if not given")
    ok: Score = Field(default=None, description="frames at or below pass")
    ng: Score = Field(default=None, description="frames above are rejected")


@router.get("/thresholds", include_in_schema=False)
def show_thresholds(
    request: Request, desk: DeskDep, _user: Operator, query: Annotated[TrialQuery, Query()], applied: int = 0
) -> Response:
    """The chart and the preview. applied: just now, by the same person."""
    station = desk.station_asked(query.station)
    return _page(request, desk, station, query, applied=bool(applied))


@router.get("/api/v1/thresholds", tags=["figures"], summary="What other thresholds would have decided")
def preview_for_machines(desk: DeskDep, _user: Operator, query: Annotated[TrialQuery, Query()]) -> dict[str, Any]:
    """About recorded frames, known defects and the bank's normal samples; counts, and the same in words."""
    trial = desk.trials.trial(desk.station_asked(query.station))
    ok, ng = _chosen(trial, query)
    in_use = trial.bank.thresholds
    return {
        "station": trial.station,
        "bank": {"id": trial.bank.ref.id, "digest": trial.bank.ref.digest},
        "in_use": {"ok": in_use.ok, "ng": in_use.ng},
        "shifts": trial.seen.shifts,
        "preview": asdict(preview(trial.seen, ok, ng)),
        "said": [asdict(one) for one in _said(trial, ok, ng)],
    }


@router.post("/thresholds", include_in_schema=False)
def apply(
    request: Request,
    desk: DeskDep,
    user: Engineer,
    station: Station,
    ok: Annotated[float, Form(ge=0, le=MOST_SCORE, allow_inf_nan=False)],
    ng: Annotated[float, Form(ge=0, le=MOST_SCORE, allow_inf_nan=False)],
    bank: Seen,
    reason: Reason = "",
    passing: Annotated[int, Form(ge=0)] = 0,
) -> Response:
    """Takes the thresholds into use. bank: the digest of the bank that was on the screen. passing: how many confirmed
    defects may pass, as the page told before.
    """
    query = TrialQuery(station=station, ok=min(ok, ng), ng=ng)
    trial = desk.trials.trial(station)
    page = partial(_page, request, desk, station, query, reason=reason)
    if ok > ng:
        return page(fault=f"Got ok {ok:g} above ng {ng:g}; frames at or below ok pass, so it must not be above ng.")
    if not reason.strip():
        return page(fault="Write down why: the audit keeps it beside the thresholds.")
    if bank != trial.bank.ref.digest:
        text = "The station was given another bank meanwhile. Look at the figures again, then apply."
        return page(fault=text, status=409)
    ok, ng = _chosen(trial, query)
    if (ok, ng) == (trial.bank.thresholds.ok, trial.bank.thresholds.ng):
        return page(fault="These thresholds are in use already.")
    try:
        apply_thresholds(
            desk.settings, desk.engine, station, ok=ok, ng=ng, by=user.name, reason=reason.strip(), seen=bank,
            passing=passing,
        )  # fmt: skip
    except ChangedError as error:
        return page(fault=str(error), status=409)
    except GuardError as error:
        return page(guard=error)
    except (BankError, EngineError) as error:
        return page(fault=str(error))
    return RedirectResponse(f"/thresholds?{urlencode({'station': station, 'applied': 1})}", status_code=303)


def _page(
    request: Request, desk: Desk, station: str, query: TrialQuery, *, status: int = 400, fault: str | None = None,
    guard: GuardError | None = None, reason: str = "", applied: bool = False,
) -> Response:  # fmt: skip
    """fault: what went wrong just now, or guard: what it said, so that nothing was applied; answered with `status`."""
    status = status if fault or guard else 200
    values: dict[str, Any] = {
        "station": station,
        "stations": desk.settings.station_names,
        "fault": fault,
        "guard": guard,
        "reason": reason,
        "applied": None,
        "unasked": _unasked(desk, station) if guard or applied else 0,
    }
    try:
        trial = desk.trials.trial(station)
        values["applied"] = _applied(desk, station, trial) if applied else None
    except BankError as error:
        return desk.page(request, "thresholds.html", status=status, trial=None, broken=str(error), **values)
    ok, ng = _chosen(trial, query)
    return desk.page(
        request,
        "thresholds.html",
        status=status,
        trial=trial,
        ok=ok,
        ng=ng,
        said=_said(trial, ok, ng),
        sharing=desk.settings.sharing(station),
        chart=_chart(trial, ok, ng),
        **values,
    )


def _applied(desk: Desk, station: str, trial: Trial) -> Move | None:
    """The exchange that gave the station the thresholds in use; None where another bank is in use by now."""
    moves = Shelf(desk.settings.station(station).bank).moves()
    found = moves and moves[-1].action == "thresholds" and moves[-1].after.digest == trial.bank.ref.digest
    return moves[-1] if found else None


def _unasked(desk: Desk, station: str) -> int:
    """Confirmed defects of the bank's stations that the guard cannot ask, as no picture of them was kept."""
    place = desk.settings.station(station).bank
    return Cases(desk.engine).without_picture(*desk.settings.stations_at(place))


def _chosen(trial: Trial, query: TrialQuery) -> tuple[float, float]:
    in_use = trial.bank.thresholds
    ok = in_use.ok if query.ok is None else _exact(query.ok, in_use.ok)
    ng = max(in_use.ng, ok) if query.ng is None else _exact(query.ng, in_use.ng)
    if ok > ng:
        raise UsageError(f"thresholds: got ok {ok:g} above ng {ng:g}, expected ok at or below ng")
    return ok, ng


def _exact(shown: float, in_use: float) -> float:
    """The threshold in use, where what is shown is that one rounded."""
    return in_use if f"{shown:.6g}" == f"{in_use:.6g}" else shown


def _said(trial: Trial, ok: float, ng: float) -> list[Said]:
    in_use = trial.bank.thresholds
    return said(trial.seen, preview(trial.seen, ok, ng), preview(trial.seen, in_use.ok, in_use.ng), trial.elsewhere)


def _chart(trial: Trial, ok: float, ng: float) -> Markup:
    in_use = trial.bank.thresholds
    low, high = axis(trial.seen, min(ok, in_use.ok), max(ng, in_use.ng))
    counted = histogram(trial.seen, low, high, BINS)
    rows = [scores.Row(*_NAMES[kind], [int(number) for number in counted[kind]]) for kind in KINDS]
    return scores.draw(rows, low, high, scores.Mark(ok, ng), scores.Mark(in_use.ok, in_use.ng))
