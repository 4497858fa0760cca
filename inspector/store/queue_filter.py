"""Which frames of the queue are asked for, and the same as conditions of a query."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from sqlalchemy import ColumnElement, and_, extract, false, or_

from inspector.store.database import equals
from inspector.store.not_indexed import NotIndexed
from inspector.store.tables import frames, reviewed, unreviewed

Order = Literal["worst", "newest"]
QueueState = Literal["open", "done", "all"]

_SHIFT_DAYS = 92
"""How far back a shift is looked for where `since` is not given."""

_LOOK_AHEAD = timedelta(days=3660)
"""How far ahead of now a shift is looked for at most, whatever `until` says."""


@dataclass(frozen=True, slots=True)
class ShiftHours:
    """A shift by its times of day in a zone; one that ends before it begins ends on the next day."""

    begin: time
    end: time
    zone: tzinfo

    def periods(self, since: datetime, until: datetime) -> list[tuple[datetime, datetime, int, int]]:
        """The periods between two moments in which the shift has the same hours in UTC, as until the clocks change:
        (from, to, begin, end), begin and end in minutes of the day.
        """
        day, last = since.astimezone(self.zone).date() - timedelta(days=1), until.astimezone(self.zone).date()
        found: list[tuple[datetime, datetime, int, int]] = []
        while day <= last:
            begin, end = self._on(day)
            # A long shift has every minute of the day where clocks go back: 25 hours from 4:00 end at 5:00.
            whole = end - begin >= timedelta(days=1)
            hours = (0, 24 * 60) if whole else (_minute(begin), _minute(end))
            if found and found[-1][2:] == hours:
                found[-1] = (found[-1][0], end, *hours)
            else:
                found.append((begin, end, *hours))
            day += timedelta(days=1)
        return found

    def _on(self, day: date) -> tuple[datetime, datetime]:
        end_day = day if self.begin < self.end else day + timedelta(days=1)
        return (
            datetime.combine(day, self.begin, self.zone).astimezone(UTC),
            datetime.combine(end_day, self.end, self.zone).astimezone(UTC),
        )


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which frames of the queue, and in which order; None does not ask.

    since, until: of the arrival, [since, until). shift: its hours; without `since`, of the last 92 days. lot, part,
    reviewer, defect_type, station: exact. bank: id or digest. score_min, score_max: image scores, both included.
    state: open, nobody has decided; done, somebody has.
    """

    station: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    shift: ShiftHours | None = None
    lot: str | None = None
    part: str | None = None
    score_min: float | None = None
    score_max: float | None = None
    decision: str | None = None
    disposition: str | None = None
    defect_type: str | None = None
    reviewer: str | None = None
    bank: str | None = None
    order: Order = "worst"
    state: QueueState = "open"


def conditions(filters: QueueFilter) -> list[list[ColumnElement[bool]]]:
    """For each of the disjoint sets of frames that the filter asks for (open, done), the conditions of its frames."""
    narrowing = _narrowing(filters)
    sets = {"open": [unreviewed], "done": [reviewed], "all": [unreviewed, reviewed]}
    said = (filters.disposition, filters.defect_type, filters.reviewer)
    if filters.state == "all" and any(value is not None for value in said):
        return [[reviewed, *narrowing]]
    return [[which, *narrowing] for which in sets[filters.state]]


def _narrowing(filters: QueueFilter) -> list[ColumnElement[bool]]:
    terms: list[ColumnElement[bool]] = []
    for column, value in (
        (frames.c.lot, filters.lot),
        (frames.c.part_id, filters.part),
        (NotIndexed(frames.c.station), filters.station),
        (NotIndexed(frames.c.word), filters.decision),
        (NotIndexed(frames.c.disposition), filters.disposition),
        (NotIndexed(frames.c.defect_type), filters.defect_type),
        (NotIndexed(frames.c.reviewer), filters.reviewer),
    ):
        if value is not None:
            terms.append(equals(column, value))
    if filters.bank is not None:
        bank_id, bank_digest = NotIndexed(frames.c.bank_id), NotIndexed(frames.c.bank_digest)
        terms.append(or_(equals(bank_id, filters.bank), equals(bank_digest, filters.bank)))
    if filters.score_min is not None:
        terms.append(frames.c.score >= filters.score_min)
    if filters.score_max is not None:
        terms.append(frames.c.score <= filters.score_max)
    since = filters.since
    if filters.shift is not None:
        now = datetime.now(UTC)
        until = min(filters.until or now, now + _LOOK_AHEAD)
        since = since or until - timedelta(days=_SHIFT_DAYS)
        terms.append(or_(false(), *(_in_period(*period) for period in filters.shift.periods(since, until))))
    if since is not None:
        terms.append(frames.c.received_at >= since)
    if filters.until is not None:
        terms.append(frames.c.received_at < filters.until)
    return terms


def _in_period(since: datetime, until: datetime, begin: int, end: int) -> ColumnElement[bool]:
    """Arrived in that period, and at a minute of the day (UTC) from begin to end, which may be on the next day."""
    arrived = frames.c.received_at
    minute = extract("hour", arrived) * 60 + extract("minute", arrived)
    hours = and_(minute >= begin, minute < end) if begin < end else or_(minute >= begin, minute < end)
    return and_(arrived >= since, arrived < until, hours)


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute
