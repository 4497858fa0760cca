"""The queue of the review: which frames wait for an operator, page by page, however many there are."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Literal, Self

from sqlalchemy import ColumnElement, Engine, Select, and_, func, or_, select, tuple_

from inspector.errors import UsageError
from inspector.store.database import store_errors
from inspector.store.frame_row import COLUMNS, FrameRow
from inspector.store.tables import frames, queued, reviews, unreviewed

Order = Literal["worst", "newest"]
State = Literal["open", "done", "all"]

MAX_COUNT = 10_000
"""Where counting the frames of a filter stops."""

_SHIFT_DAYS = 92
"""How far back a shift is looked for, when nothing says since when."""

_KEYS = {"worst": frames.c.score_ratio, "newest": frames.c.received_at}


@dataclass(frozen=True, slots=True)
class ShiftHours:
    """A shift by its times of day in a zone; one that ends before it begins ends on the next day."""

    begin: time
    end: time
    zone: tzinfo

    def spans(self, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
        """When it was on between two moments: [from, to) in UTC, in order."""
        day, last = since.astimezone(self.zone).date() - timedelta(days=1), until.astimezone(self.zone).date()
        found = []
        while day <= last:
            end_day = day if self.begin < self.end else day + timedelta(days=1)
            begin = max(since, datetime.combine(day, self.begin, self.zone).astimezone(UTC))
            end = min(until, datetime.combine(end_day, self.end, self.zone).astimezone(UTC))
            if begin < end:
                found.append((begin, end))
            day += timedelta(days=1)
        return found


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which frames of the queue, and in which order; None does not ask.

    since, until: of the arrival, [since, until). shift: its hours; without `since`, of the last 92 days. lot, part,
    reviewer, defect_type, station: exact. bank: its id or digest. score_min, score_max: image scores, both included.
    state: open, nobody decided; done, somebody did.
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
    state: State = "open"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the queue: that of a frame, also of one that has left it."""

    order: Order
    key: float | datetime
    id: int

    @classmethod
    def of(cls, row: FrameRow, order: Order) -> Self:
        """The place of this frame."""
        return cls(order, row.received_at if order == "newest" else row.score_ratio or 0.0, row.id)

    def encode(self) -> str:
        """As text for a URL."""
        key = self.key.timestamp() if isinstance(self.key, datetime) else self.key
        return f"{self.order}_{key!r}_{self.id}"

    @classmethod
    def decode(cls, text: str) -> Self:
        """From `encode`.

        Raises:
            UsageError: it is not from there.
        """
        try:
            order, key, row = text.split("_")
            value, frame = float(key), int(row)
            if order == "newest" and 0 <= frame < 2**63:
                return cls("newest", datetime.fromtimestamp(value, UTC), frame)
            if order == "worst" and math.isfinite(value) and 0 <= frame < 2**63:
                return cls("worst", value, frame)
        except (ValueError, OverflowError, OSError):
            pass
        raise UsageError(f"cursor: got {text[:80]!r}, expected one that a page gave")


@dataclass(frozen=True, slots=True)
class Page:
    """Frames in order; next and previous: where to go on, None at the end."""

    rows: tuple[FrameRow, ...]
    next: Cursor | None
    previous: Cursor | None


@dataclass(frozen=True, slots=True)
class Counts:
    """matching: frames of the filter, at most MAX_COUNT. open: those that wait by station, under the filter's other
    terms.
    """

    matching: int
    open: dict[str, int]

    @property
    def capped(self) -> bool:
        """Whether there are more than were counted."""
        return self.matching >= MAX_COUNT


class ReviewQueue:
    """Reads the queue. Pages go on from a place, not from a number, so each costs the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(
        self, filters: QueueFilter, after: Cursor | None = None, limit: int = 60, before: Cursor | None = None
    ) -> Page:
        """The frames after a place, or the last ones before it.

        Raises:
            UsageError: the place is one of another order.
            StoreError: the database cannot be read.
        """
        back = after is None and before is not None
        place = before if back else after
        rows = self._rows(filters, place, limit + 1, back=back)
        more = len(rows) > limit
        shown = rows[:limit]
        if back:
            shown.reverse()
        first, last = (
            (Cursor.of(shown[0], filters.order), Cursor.of(shown[-1], filters.order)) if shown else (None,) * 2
        )
        return Page(
            tuple(shown), next=last if more or back else None, previous=first if place and (more or not back) else None
        )

    def neighbours(self, row: FrameRow, filters: QueueFilter) -> tuple[FrameRow | None, FrameRow | None]:
        """The frames before and after this one, which need not be in the queue itself.

        Raises:
            StoreError: the database cannot be read.
        """
        place = Cursor.of(row, filters.order)
        before, after = (self._rows(filters, place, 1, back=back) for back in (True, False))
        return before[0] if before else None, after[0] if after else None

    def frame(self, frame: int) -> FrameRow | None:
        """One frame with a verdict, in the queue or not; None where there is none with this id.

        Raises:
            StoreError: the database cannot be read.
        """
        found = self._read(select(*COLUMNS).where(frames.c.id == frame, frames.c.outcome == "verdict"))
        return found[0] if found else None

    def find(
        self, *, part: str | None = None, station: str | None = None, frame_id: str | None = None, limit: int = 50
    ) -> list[FrameRow]:
        """Frames with a verdict, queued or not, of a part or with a station's frame id; newest first.

        Raises:
            UsageError: neither is given.
            StoreError: the database cannot be read.
        """
        wanted = []
        if part is not None:
            wanted.append(frames.c.part_id == part)
        if station is not None and (part is not None or frame_id is not None):
            wanted.append(frames.c.station == station)
        if frame_id is not None and (part is not None or station is not None):
            wanted.append(frames.c.frame_id == frame_id)
        if not wanted:
            raise UsageError("find: got neither a part nor a station with a frame id, expected one of them")
        query = select(*COLUMNS).where(frames.c.outcome == "verdict", *wanted)
        return self._read(query.order_by(frames.c.id.desc()).limit(limit))

    def counts(self, filters: QueueFilter) -> Counts:
        """How many there are under a filter.

        Raises:
            StoreError: the database cannot be read.
        """
        matching = select(func.count()).select_from(
            select(frames.c.id).where(*_terms(filters)).limit(MAX_COUNT).subquery()
        )
        everywhere = replace(filters, station=None, state="open", disposition=None, defect_type=None, reviewer=None)
        waiting = select(frames.c.station, func.count()).where(*_terms(everywhere)).group_by(frames.c.station)
        with store_errors("queue"), self._engine.connect() as connection:
            return Counts(
                matching=int(connection.execute(matching).scalar_one()),
                open=_by_station(connection.execute(waiting)),
            )

    def open_counts(self) -> dict[str, int]:
        """How many frames wait, by station; stations where none does are left out.

        Raises:
            StoreError: the database cannot be read.
        """
        query = select(frames.c.station, func.count()).where(unreviewed).group_by(frames.c.station)
        with store_errors("queue"), self._engine.connect() as connection:
            return _by_station(connection.execute(query))

    def pulse(self) -> tuple[int, int]:
        """Another one whenever a frame was queued or something was said.

        Raises:
            StoreError: the database cannot be read.
        """
        newest = select(func.max(frames.c.id)).where(queued)
        said = select(func.max(reviews.c.id))
        with store_errors("queue"), self._engine.connect() as connection:
            return connection.execute(newest).scalar() or 0, connection.execute(said).scalar() or 0

    def _rows(self, filters: QueueFilter, place: Cursor | None, limit: int, *, back: bool) -> list[FrameRow]:
        if place is not None and place.order != filters.order:
            raise UsageError(f"cursor: got one of the order {place.order}, expected {filters.order}")
        by = (_KEYS[filters.order], frames.c.id)
        query = select(*COLUMNS).where(*_terms(filters))
        if place is not None:
            here = (place.key, place.id)
            query = query.where(tuple_(*by) > here if back else tuple_(*by) < here)
        return self._read(query.order_by(*(c.asc() if back else c.desc() for c in by)).limit(limit))

    def _read(self, query: Select[Any]) -> list[FrameRow]:
        with store_errors("queue"), self._engine.connect() as connection:
            return [FrameRow.of(row) for row in connection.execute(query)]


def _terms(filters: QueueFilter) -> Sequence[ColumnElement[bool]]:
    states: dict[State, list[ColumnElement[bool]]] = {
        "open": [unreviewed],
        "done": [queued, frames.c.disposition.is_not(None)],
        "all": [queued],
    }
    terms = states[filters.state]
    for column, value in (
        (frames.c.station, filters.station),
        (frames.c.lot, filters.lot),
        (frames.c.part_id, filters.part),
        (frames.c.word, filters.decision),
        (frames.c.disposition, filters.disposition),
        (frames.c.defect_type, filters.defect_type),
        (frames.c.reviewer, filters.reviewer),
    ):
        if value is not None:
            terms.append(column == value)
    if filters.bank is not None:
        terms.append(or_(frames.c.bank_id == filters.bank, frames.c.bank_digest == filters.bank))
    if filters.score_min is not None:
        terms.append(frames.c.score >= filters.score_min)
    if filters.score_max is not None:
        terms.append(frames.c.score <= filters.score_max)
    since = filters.since
    if filters.shift is not None:
        until = filters.until or datetime.now(UTC)
        since = since or until - timedelta(days=_SHIFT_DAYS)
        spans = filters.shift.spans(since, until)
        on = [and_(frames.c.received_at >= begin, frames.c.received_at < end) for begin, end in spans]
        terms.append(or_(*on) if on else frames.c.id < 0)
    if since is not None:
        terms.append(frames.c.received_at >= since)
    if filters.until is not None:
        terms.append(frames.c.received_at < filters.until)
    return terms


def _by_station(rows: Iterable[Sequence[Any]]) -> dict[str, int]:
    return {row[0]: row[1] for row in rows}
