"""The queue of the review: which frames wait for an operator, page by page, however many there are."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, func, select, tuple_

from inspector.errors import UsageError
from inspector.store.database import equals, reading, store_errors
from inspector.store.frame_row import COLUMNS, MAX_ID, FrameRow
from inspector.store.not_indexed import NotIndexed
from inspector.store.queue_filter import Order, QueueFilter, conditions
from inspector.store.tables import frames, queued, reviews, unreviewed
from inspector.store.tally import Tally

MAX_COUNT = 10_000
"""Where counting the frames of a filter stops."""

_BY_ID = select(*COLUMNS).where(frames.c.id.in_(bindparam("ids", expanding=True)))
_EVER = frames.c.received_at > datetime(1, 1, 2, tzinfo=UTC)
"""True of every frame. Asked of those that wait, it leads SQLite to their own index; without, it takes one that holds
all that were ever decided, too.
"""

_KEYS = {"worst": frames.c.score_ratio, "newest": frames.c.received_at}


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
            if order == "newest" and 0 <= frame < MAX_ID:
                return cls("newest", datetime.fromtimestamp(value, UTC), frame)
            if order == "worst" and math.isfinite(value) and 0 <= frame < MAX_ID:
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
    """matching: frames of a filter, at most MAX_COUNT. open: all that wait, by station."""

    matching: int
    open: dict[str, int]

    @property
    def capped(self) -> bool:
        """Whether there are more than were counted."""
        return self.matching >= MAX_COUNT


class ReviewQueue:
    """Reads the queue. Pages go on from a place, not from a number, so each costs the same.

    First the places of a page are found, in an index alone; then the rows of its frames are read.
    """

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
        if not shown:
            return Page((), None, None)
        first, last = Cursor.of(shown[0], filters.order), Cursor.of(shown[-1], filters.order)
        has_previous = place is not None and (more or not back)
        return Page(tuple(shown), next=last if more or back else None, previous=first if has_previous else None)

    def walk(self, filters: QueueFilter, part: int = 500) -> Iterator[FrameRow]:
        """All frames of a filter in order, `part` of them at a time: each part is read when the one before is used up.

        Raises:
            StoreError: the database cannot be read.
        """
        place: Cursor | None = None
        while rows := self._rows(filters, place, part, back=False):
            yield from rows
            place = Cursor.of(rows[-1], filters.order)

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
        if not 0 < frame < MAX_ID:
            return None
        found = self._read(select(*COLUMNS).where(frames.c.id == frame, frames.c.outcome == "verdict"))
        return found[0] if found else None

    def result_ids(self, ids: Iterable[int]) -> dict[int, str]:
        """Of the frames with these ids, as far as there are any.

        Raises:
            StoreError: the database cannot be read.
        """
        query = select(frames.c.id, frames.c.result_id).where(frames.c.id.in_([one for one in ids if 0 < one < MAX_ID]))
        with store_errors("queue"), self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def standing(self, ids: Iterable[int]) -> dict[int, tuple[int, str | None]]:
        """Of the frames with these ids, as far as there are any: the version, and who decided, None where nobody has.

        Raises:
            StoreError: the database cannot be read.
        """
        wanted = [one for one in ids if 0 < one < MAX_ID]
        query = select(frames.c.id, frames.c.version, frames.c.reviewer).where(frames.c.id.in_(wanted))
        with store_errors("queue"), self._engine.connect() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(query)}

    def of_part(self, part: str, *, limit: int, before: int | None = None) -> list[FrameRow]:
        """Frames with a verdict, queued or not, that are called so, newest first: by their part id, or by their frame
        id where they have none. before: the id from which to go on.

        Raises:
            StoreError: the database cannot be read.
        """
        nameless = frames.c.part_id.is_(None), frames.c.variant == "", equals(frames.c.frame_id, part)
        stations = Tally(self._engine).stations()  # the index on frame ids begins with them
        found: list[FrameRow] = []
        for terms in ([equals(frames.c.part_id, part)], [*nameless, frames.c.station.in_(stations)]):
            query = select(*COLUMNS).where(frames.c.outcome == "verdict", *terms)
            if before is not None:
                query = query.where(frames.c.id < before)
            found += self._read(query.order_by(frames.c.id.desc()).limit(limit))
        return sorted(found, key=lambda row: row.id, reverse=True)[:limit]

    def counts(self, filters: QueueFilter) -> Counts:
        """How many there are under a filter.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("queue"), reading(self._engine) as connection:
            matching = sum(_count(connection, (*terms, _EVER)) for terms in conditions(filters))
            return Counts(min(matching, MAX_COUNT), _open_counts(connection))

    def open_counts(self) -> dict[str, int]:
        """How many frames wait, by station; stations where none does are left out.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("queue"), self._engine.connect() as connection:
            return _open_counts(connection)

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
        beyond: list[ColumnElement[bool]] = []
        if place is not None:
            here = (place.key, place.id)
            beyond = [tuple_(*by) > here if back else tuple_(*by) < here]
        places = select(*by).order_by(*(c.asc() if back else c.desc() for c in by)).limit(limit)
        with store_errors("queue"), reading(self._engine) as connection:
            found = [row for terms in conditions(filters) for row in connection.execute(places.where(*terms, *beyond))]
            found.sort(key=tuple, reverse=not back)
            ids = [row[1] for row in found[:limit]]
            rows = {row.id: row for row in map(FrameRow.of, connection.execute(_BY_ID, {"ids": ids}))}
        return [rows[frame] for frame in ids]

    def _read(self, query: Select[Any]) -> list[FrameRow]:
        with store_errors("queue"), self._engine.connect() as connection:
            return [FrameRow.of(row) for row in connection.execute(query)]


def _count(connection: Connection, terms: Sequence[ColumnElement[bool]]) -> int:
    within = select(frames.c.id).where(*terms).limit(MAX_COUNT).subquery()
    return int(connection.execute(select(func.count()).select_from(within)).scalar_one())


def _open_counts(connection: Connection) -> dict[str, int]:
    query = select(frames.c.station, func.count()).where(unreviewed, _EVER).group_by(NotIndexed(frames.c.station))
    return {row[0]: row[1] for row in connection.execute(query)}
