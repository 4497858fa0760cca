"""Thresholds: drag them over the recorded scores, see what they would have done, and apply them with a reason."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from inspector.charts import scores, svg
from inspector.charts.markup import Markup
from inspector.errors import BankError, UsageError
from inspector.review.preview import KINDS, Kind, axis, histogram, preview
from inspector.review.trial import Said, said
from inspector.store import Role
from inspector.web.access import Operator
from inspector.web.desk import Desk, DeskDep
from inspector.web.filters import Score, Text
from inspector.web.navigation import NavEntry
from inspector.web.trials import Trial

NAV = NavEntry("/thresholds", "Thresholds", Role.ENGINEER)
BINS = 110

_NAMES: dict[Kind, tuple[str, str]] = {
    "ok": ("passed", svg.GOOD),
    "false_alarm": ("false alarms", "#00507f"),
    "waiting": ("not decided", "#5f6670"),
    "defect": ("known defects", "#b84f00"),
}

router = APIRouter()


class TrialQuery(BaseModel):
    """Thresholds on trial; those in use where they are not given."""

    model_config = ConfigDict(frozen=True)

    station: Text = Field(default=None, description="site/area/line/station; the first of the settings if not given")
    ok: Score = Field(default=None, description="frames at or below pass")
    ng: Score = Field(default=None, description="frames above are rejected")


@router.get("/thresholds", include_in_schema=False)
def show_thresholds(
    request: Request, desk: DeskDep, _user: Operator, query: Annotated[TrialQuery, Query()]
) -> Response:
    """The chart and the preview."""
    station = query.station or str(desk.settings.stations[0].id)
    return _page(request, desk, station, query)


@router.get("/api/v1/thresholds", tags=["figures"], summary="What other thresholds would have decided")
def preview_for_machines(desk: DeskDep, _user: Operator, query: Annotated[TrialQuery, Query()]) -> dict[str, Any]:
    """About recorded frames, known defects and the bank's normal samples; counts, and the same in words."""
    trial = desk.trials.trial(query.station or str(desk.settings.stations[0].id))
    ok, ng = _chosen(trial, query)
    in_use = trial.bank.thresholds
    return {
        "station": trial.station,
        "bank": {"id": trial.bank.ref.id, "digest": trial.bank.ref.digest},
        "in_use": {"ok": in_use.ok, "ng": in_use.ng},
        "shifts": trial.evidence.shifts,
        "preview": asdict(preview(trial.evidence, ok, ng)),
        "said": [asdict(one) for one in _said(trial, ok, ng)],
    }


def _page(
    request: Request, desk: Desk, station: str, query: TrialQuery, *, status: int = 200, fault: str | None = None,
    reason: str = "",
) -> Response:  # fmt: skip
    values: dict[str, Any] = {
        "station": station,
        "stations": [str(one.id) for one in desk.settings.stations],
        "fault": fault,
        "reason": reason,
    }
    try:
        trial = desk.trials.trial(station)
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
        chart=_chart(trial, ok, ng),
        **values,
    )


def _chosen(trial: Trial, query: TrialQuery) -> tuple[float, float]:
    in_use = trial.bank.thresholds
    ok = in_use.ok if query.ok is None else query.ok
    ng = max(in_use.ng, ok) if query.ng is None else query.ng
    if ok > ng:
        raise UsageError(f"thresholds: got ok {ok:g} above ng {ng:g}, expected ok at or below ng")
    return ok, ng


def _said(trial: Trial, ok: float, ng: float) -> list[Said]:
    in_use = trial.bank.thresholds
    return said(
        trial.evidence, preview(trial.evidence, ok, ng), preview(trial.evidence, in_use.ok, in_use.ng), trial.elsewhere
    )


def _chart(trial: Trial, ok: float, ng: float) -> Markup:
    in_use = trial.bank.thresholds
    low, high = axis(trial.evidence, min(ok, in_use.ok), max(ng, in_use.ng))
    counted = histogram(trial.evidence, low, high, BINS)
    rows = [scores.Row(*_NAMES[kind], [int(number) for number in counted.counts[kind]]) for kind in KINDS]
    return scores.draw(rows, low, high, scores.Mark(ok, ng), scores.Mark(in_use.ok, in_use.ng))
