"""Counts for the figures: the ledger and the audit, summed up by the database.

The counts and scores come out of covering indexes, so their cost is that of the frames of the asked time alone, a
fraction of a microsecond each; many stations and all shifts are counted by one statement. Rows of the ledger are read
for delays and opinions alone, those of decided frames.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
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
    false,
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
from inspector.store.tables import UtcDateTime, frames, promotions, queued, removed, reviews
from inspector.types import Drop

MOST_DELAYS = 100_000
"""Of so many decided frames at most, the newest, it is told how long they waited."""

MOST_OPINIONS = 100_000

_TOGETHER = 100
"""So many stations are counted by one statement: with each of WORDS, and 92 days of twelve shifts, these are 9,400
values. SQLite takes 32,766 and PostgreSQL 65,535.
"""

_TICK = timedelta(microseconds=1)
"""Moments in the ledger are no nearer to each other."""


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


@dataclass(frozen=True, slots=True)
class Recorded:
    """Image scores of one station's frames under one memory bank, float64 (n,), in no order.

    The arrays by what is known of the frame: passed and nobody objected; flagged and found good; flagged and not
    decided; found to be a defect. Defects are all that are known, the others those of one stretch of time. arrived:
    when the frames of that time did, in order. elsewhere: known defects of the station that other banks scored.
    """

    arrived: Sequence[datetime]
    ok: NDArray[np.float64]
    false_alarm: NDArray[np.float64]
    waiting: NDArray[np.float64]
    defect: NDArray[np.float64]
    elsewhere: int

    @property
    def begin(self) -> datetime | None:
        """When the first of them arrived; None without any."""
        return self.arrived[0] if self.arrived else None


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
            return _removed(connection, stations)

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

    def recorded(self, station: str, bank_id: str, *, since: datetime, most: int) -> Recorded:
        """Scores of the newest `most` ok frames since a moment, of the flagged ones of the same time, and of all
        known defects; all under this bank or one that differs from it in its thresholds alone. Of a time that lost
        some of its frames to retention there are only defects.
        """
        with store_errors("thresholds"), reading(self._engine) as connection:
            banks = _same_memory(connection, station, bank_id)
            passed = connection.execute(
                select(frames.c.received_at, frames.c.score)
                .where(
                    frames.c.station == station,
                    frames.c.outcome == "verdict",
                    frames.c.word == "ok",
                    frames.c.received_at >= since,
                    frames.c.queued == false(),
                    frames.c.bank_id.in_(banks),
                )
                .order_by(frames.c.received_at.desc())
                .limit(most)
            ).all()
            begin = passed[-1][0] if len(passed) == most else since
            columns = (frames.c.received_at, frames.c.score, frames.c.word, frames.c.disposition, frames.c.bank_id)
            asked = connection.execute(
                select(*columns).where(
                    queued,
                    frames.c.station == station,
                    or_(frames.c.received_at >= begin, frames.c.disposition == "defect"),
                    frames.c.score.is_not(None),
                )
            ).all()
            gone = _removed(connection, [station])
        if gone is not None:
            passed, begin = [row for row in passed if row.received_at > gone], max(begin, gone + _TICK)
        same = [row for row in asked if row.bank_id in banks]
        now = [row for row in same if row.received_at >= begin]
        return Recorded(
            sorted(row.received_at for row in (*passed, *now)),
            _scores([*passed, *(row for row in now if row.word == "ok" and row.disposition != "defect")]),
            _scores(row for row in now if row.word != "ok" and row.disposition == "false_alarm"),
            _scores(row for row in now if row.word != "ok" and row.disposition in (None, "unsure")),
            _scores(row for row in same if row.disposition == "defect"),
            sum(row.disposition == "defect" and row.bank_id not in banks for row in asked),
        )


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


def _same_memory(connection: Connection, station: str, bank_id: str) -> set[str]:
    """Ids of the banks that differ from this one in thresholds alone, and its own."""
    links = connection.execute(
        select(promotions.c.from_id, promotions.c.to_id).where(
            promotions.c.station == station, promotions.c.action == "thresholds"
        )
    ).all()
    known, grown = {bank_id}, True
    while grown:
        linked = {name for pair in links if known & set(pair) for name in pair if name is not None}
        grown = not linked <= known
        known |= linked
    return known


def _removed(connection: Connection, stations: Sequence[str]) -> datetime | None:
    newest = select(func.max(removed.c.received_at)).where(removed.c.station.in_(list(filter(legible, stations))))
    return connection.execute(newest).scalar()


def _scores(rows: Any) -> NDArray[np.float64]:
    scores = np.array([row.score for row in rows], np.float64)
    return scores[np.isfinite(scores)]


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
