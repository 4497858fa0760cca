"""Counts for the figures: the ledger and the audit, summed up by the database.

The counts come out of covering indexes, so their cost is that of the frames of the asked time alone, a
fraction of a microsecond each; many stations and all shifts are counted by one statement. Rows of the ledger are read
for delays and opinions alone, those of decided frames.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Double,
    Engine,
    FunctionElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    column,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    values,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from inspector.errors import frame_error_reasons
from inspector.legible import legible
from inspector.review.agreement import Opinion
from inspector.review.figures import OutcomeCount, ReviewCount
from inspector.review.shifts import Span
from inspector.store.database import reading, store_errors
from inspector.store.tables import UtcDateTime, frames, queued, removed, reviews
from inspector.types import Drop

MOST_DELAYS = 100_000
"""Of so many decided frames at most, the newest, it is told how long they waited."""

MOST_OPINIONS = 100_000

_TOGETHER = 100
"""So many stations are counted by one statement: with each of WORDS, and 92 days of twelve shifts, these are 9,400
values. SQLite takes 32,766 and PostgreSQL 65,535.
"""


class _Seconds(FunctionElement[float]):
    """Seconds from the second moment to the first."""

    type = Double()
    inherit_cache = True


@compiles(_Seconds, "sqlite")
def _seconds_in_sqlite(element: _Seconds, compiler: SQLCompiler, **options: Any) -> str:
    after, before = (compiler.process(clause, **options) for clause in element.clauses)
    return f"((julianday({after}) - julianday({before})) * 86400.0)"


@compiles(_Seconds, "postgresql")
def _seconds_in_postgresql(element: _Seconds, compiler: SQLCompiler, **options: Any) -> str:
    after, before = (compiler.process(clause, **options) for clause in element.clauses)
    return f"EXTRACT(EPOCH FROM ({after} - {before}))::double precision"


WORDS = (
    *(("verdict", word) for word in ("ok", "ng", "uncertain")),
    *(("error", reason) for reason in frame_error_reasons()),
    *(("drop", reason) for reason in Drop),
)
"""Every outcome and word that a frame can have."""

_HERE = frames.c.station == bindparam("here")
_THEN = and_(frames.c.received_at >= bindparam("begin"), frames.c.received_at < bindparam("end"))

# Each word is asked for by itself: a list of them would leave PostgreSQL, as long as it has no statistics, to read the
# frames of all times for each span.
_OCCURRING = union_all(
    *(
        select(literal(outcome), literal(word)).where(
            select(frames.c.station).where(_HERE, frames.c.outcome == outcome, frames.c.word == word, _THEN).exists()
        )
        for outcome, word in WORDS
    )
)


class Tally:
    """Reads counts. Safe from any thread.

    Every method raises StoreError where the database cannot be read.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def stations(self) -> list[str]:
        """Those that the ledger has frames of, sorted; each costs one look into an index."""
        found: list[str] = []
        query = select(func.min(frames.c.station)).where(frames.c.station > bindparam("after"))
        with store_errors("figures"), self._engine.connect() as connection:
            while (name := connection.execute(query, {"after": found[-1] if found else ""}).scalar()) is not None:
                found.append(name)
        return found

    def counts(self, stations: Sequence[str], spans: Sequence[Span]) -> tuple[list[OutcomeCount], list[ReviewCount]]:
        """What the line decided and what people said, by station and number of the span; one moment's state.

        spans: in the order of time.
        """
        if not spans:
            return [], []
        names, asked = list(filter(legible, stations)), _asked(spans)
        whole = {"begin": spans[0].begin, "end": spans[-1].end}
        outcomes: Counter[tuple[str, int, str]] = Counter()
        reviewed: list[ReviewCount] = []
        with store_errors("figures"), reading(self._engine) as connection:
            for first in range(0, len(names), _TOGETHER):
                occurring = [
                    (station, *row)
                    for station in names[first : first + _TOGETHER]
                    for row in connection.execute(_OCCURRING, {"here": station} | whole)
                ]
                if not occurring:
                    continue
                for station, number, outcome, word, count in connection.execute(_outcomes(occurring, asked)):
                    outcomes[station, number, word if outcome == "verdict" else outcome] += count
                here = list(dict.fromkeys(station for station, *_ in occurring))
                reviewed += [
                    ReviewCount(*row) for row in connection.execute(_reviews(here, spans)) if row.number is not None
                ]
        return [OutcomeCount(*key, count) for key, count in outcomes.items() if count], reviewed

    def removed(self, stations: Sequence[str]) -> datetime | None:
        """When the newest verdict of these stations came that retention has removed; None where it removed none. To be
        asked after what is counted, so that nothing is removed between the two unnoticed.
        """
        with store_errors("figures"), self._engine.connect() as connection:
            return removed_until(connection, stations)

    def delays(self, stations: Sequence[str], spans: Sequence[Span]) -> list[float]:
        """Seconds from verdict to disposition of the decided frames that arrived in these spans."""
        if not spans:
            return []
        query = (
            select(_Seconds(frames.c.reviewed_at, frames.c.decided_at))
            .where(queued, frames.c.reviewed_at.is_not(None), _in(stations), within(spans))
            .order_by(frames.c.received_at.desc())
            .limit(MOST_DELAYS)
        )
        with store_errors("figures"), self._engine.connect() as connection:
            return [max(0.0, float(row[0])) for row in connection.execute(query)]

    def opinions(self, stations: Sequence[str], spans: Sequence[Span]) -> list[Opinion]:
        """What was said of the frames that arrived in these spans and of which two people said something; by frame, in
        order.
        """
        if not spans:
            return []
        arrived = select(frames.c.id).where(queued, frames.c.version > 1, _in(stations), within(spans))
        twice = (
            select(reviews.c.frame).where(reviews.c.frame.in_(arrived)).group_by(reviews.c.frame).having(
                func.min(reviews.c.reviewer) != func.max(reviews.c.reviewer)
            )
        )  # fmt: skip
        query = (
            select(reviews.c.frame, reviews.c.reviewer, reviews.c.to_disposition, reviews.c.action)
            .where(reviews.c.frame.in_(twice))
            .order_by(reviews.c.frame, reviews.c.version)
            .limit(MOST_OPINIONS)
        )
        with store_errors("figures"), self._engine.connect() as connection:
            return [Opinion(*row) for row in connection.execute(query)]


def _asked(spans: Sequence[Span]) -> CTE:
    """The spans with their numbers, as a table."""
    columns = column("number", Integer), column("begin", UtcDateTime), column("end", UtcDateTime)
    return values(*columns, name="asked").data([(n, one.begin, one.end) for n, one in enumerate(spans)]).cte("asked")


def _outcomes(occurring: Iterable[Sequence[str]], asked: CTE) -> Select[Any]:
    """How many frames had each of these outcomes and words, at their stations, in each span; 0 included."""
    columns = (column(name, String) for name in ("station", "outcome", "word"))
    had = values(*columns, name="had").data([tuple(one) for one in occurring]).cte("had")
    number = (
        select(func.count())
        .where(
            frames.c.station == had.c.station,
            frames.c.outcome == had.c.outcome,
            frames.c.word == had.c.word,
            frames.c.received_at >= asked.c.begin,
            frames.c.received_at < asked.c.end,
        )
        .scalar_subquery()
    )
    return select(had.c.station, asked.c.number, had.c.outcome, had.c.word, number).join_from(had, asked, true())


def _reviews(stations: Sequence[str], spans: Sequence[Span]) -> Select[Any]:
    """How many frames of these stations, in each span, operators are asked for, by what they said; between the spans
    those of none. Not by a join, as PostgreSQL would hold all frames of a station against all spans.
    """
    begins: list[tuple[datetime, int | None]] = []
    for number, span in enumerate(spans):
        if number and spans[number - 1].end < span.begin:
            begins.append((spans[number - 1].end, None))
        begins.append((span.begin, number))
    by = (
        frames.c.station,
        _number(begins).label("number"),
        frames.c.word,
        frames.c.sampled,
        frames.c.disposition,
        frames.c.defect_type,
    )
    whole = frames.c.received_at >= spans[0].begin, frames.c.received_at < spans[-1].end
    return select(*by, func.count()).where(queued, _in(stations), *whole).group_by(*by)


def _number(begins: Sequence[tuple[datetime, int | None]]) -> ColumnElement[int | None]:
    """The number that a frame has by when it arrived, found by halving. begins: from when on which holds, in order."""
    if len(begins) == 1:
        return literal(begins[0][1], Integer)
    half = len(begins) // 2
    later = frames.c.received_at >= begins[half][0]
    return case((later, _number(begins[half:])), else_=_number(begins[:half]))


def removed_until(connection: Connection, stations: Sequence[str]) -> datetime | None:
    """When the newest verdict of these stations came that retention has removed."""
    newest = select(func.max(removed.c.received_at)).where(removed.c.station.in_(list(filter(legible, stations))))
    return connection.execute(newest).scalar()


def _in(stations: Sequence[str]) -> ColumnElement[bool]:
    return frames.c.station.in_(list(filter(legible, stations)))


def within(spans: Sequence[Span], moment: ColumnElement[datetime] = frames.c.received_at) -> ColumnElement[bool]:
    """Whether a frame arrived in one of the spans, one at least, in the order of time; neighbours are taken together.

    SQLite looks up no range for alternatives: without the bounds around them all it would read all of the station.
    """
    merged: list[tuple[datetime, datetime]] = []
    for span in spans:
        if merged and merged[-1][1] == span.begin:
            merged[-1] = (merged[-1][0], span.end)
        else:
            merged.append((span.begin, span.end))
    inside = (and_(moment >= begin, moment < end) for begin, end in merged)
    return and_(moment >= merged[0][0], moment < merged[-1][1], or_(*inside))
