"""The audit: who said what of which frame, gave which station which bank or thresholds, and changed which account."""

from dataclasses import asdict
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from inspector.banks import promotion
from inspector.errors import UsageError
from inspector.settings import ReviewSettings
from inspector.store import AccountChangeRow, Audit, AuditFilter, PromotionRow, ReviewRow, Role, Tally
from inspector.store.account_change import AccountAction
from inspector.store.frame_row import MAX_ID
from inspector.web.access import Engineer
from inspector.web.address import EMPTY_AS_NONE, AddressQuery, Text, plant_time
from inspector.web.desk import Desk, DeskDep, without_empty_fields
from inspector.web.message import Message
from inspector.web.navigation import NavEntry

NAV = NavEntry("/audit", Message("Audit"), Role.ENGINEER)
PAGE = 50

LOGS = {
    "frames": ("dispose", "undo", "escape"),
    "banks": ("promote", "rollback", "thresholds"),
    "accounts": get_args(AccountAction),
}
"""What can be done, in each of the logs."""

_Rows = list[ReviewRow] | list[PromotionRow] | list[AccountChangeRow]

_Id = Annotated[Annotated[int, Field(ge=1, lt=MAX_ID)] | None, EMPTY_AS_NONE]

router = APIRouter()


class AuditQuery(AddressQuery):
    """What a URL may ask of the audit. Times without an offset are the plant's own."""

    log: Literal["frames", "banks", "accounts"] = Field(
        default="frames", description="what was said of frames, banks in use, or changes of accounts and tokens"
    )
    who: Text = Field(default=None, description="the account's name")
    station: Text = Field(default=None, description="site/area/line/station")
    action: Text = Field(
        default=None, description="; ".join(f"of {log}: {', '.join(actions)}" for log, actions in LOGS.items())
    )
    since: Text = Field(default=None, description="at or after, ISO 8601")
    until: Text = Field(default=None, description="before, ISO 8601")
    frame: _Id = Field(default=None, description="id of a frame in the ledger, as in its address")
    named: Text = Field(default=None, description="of frames: frame_id or part_id; of accounts: the account")
    before: _Id = Field(default=None, description="`next` of the page before")

    def filter(self, review: ReviewSettings) -> AuditFilter:
        """As the store takes it.

        Raises:
            UsageError: a time that is none, an action that the log does not have.
        """
        known = LOGS[self.log]
        if self.action is not None and self.action not in known:
            raise UsageError(f"action: got {self.action!r}, expected {', '.join(known)} with log={self.log}")
        return AuditFilter(
            who=self.who,
            station=self.station,
            action=self.action,
            since=plant_time("since", self.since, review.zone),
            until=plant_time("until", self.until, review.zone),
            frame=self.frame,
            named=self.named,
        )


@router.get("/audit", include_in_schema=False)
def show_audit(request: Request, desk: DeskDep, _user: Engineer, query: Annotated[AuditQuery, Query()]) -> Response:
    """A page of one of the logs; a form's empty fields are cleared out of the address first."""
    if (cleared := without_empty_fields(request, query)) is not None:
        return cleared
    behind = _behind(desk, query)
    rows, following = _read(desk, query)
    return desk.page(
        request,
        "audit.html",
        query=query,
        behind=behind,
        rows=rows,
        next=following,
        stations=desk.stations(Tally(desk.engine).stations()),
        actions=LOGS[query.log],
    )


@router.get("/api/v1/audit", tags=["review"], summary="The append-only audit, page by page")
def audit_for_machines(desk: DeskDep, _user: Engineer, query: Annotated[AuditQuery, Query()]) -> dict[str, Any]:
    """Newest first; go on with `before=` the page's `next` until that is null. `behind`: why the newest exchanges of a
    bank may be missing.
    """
    behind = _behind(desk, query)
    rows, following = _read(desk, query)
    return {"rows": [asdict(row) for row in rows], "next": following, "behind": behind}


def _behind(desk: Desk, query: AuditQuery) -> list[str]:
    """Brings the log of banks up to their journals, as commands exchange banks too, also while the database is away;
    why that could not be, for each bank.
    """
    return promotion.record_all(desk.settings, desk.engine) if query.log == "banks" else []


def _read(desk: Desk, query: AuditQuery) -> tuple[_Rows, int | None]:
    audit, filters = Audit(desk.engine), query.filter(desk.settings.review)
    rows: _Rows
    if query.log == "frames":
        rows = audit.reviews(filters, limit=PAGE + 1, before=query.before)
    elif query.log == "banks":
        rows = audit.promotions(filters, limit=PAGE + 1, before=query.before)
    else:
        rows = audit.account_changes(filters, limit=PAGE + 1, before=query.before)
    shown = rows[:PAGE]
    return shown, shown[-1].id if len(rows) > PAGE else None
