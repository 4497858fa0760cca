"""Check parts in the ledger: by their outcome, and those that ended as errors by what was published about them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Engine, bindparam, select, union_all

from inspector.errors import frame_error_reasons
from inspector.legible import legible
from inspector.review.checks import Check, Run, newest_run
from inspector.review.lately import AHEAD
from inspector.review.shifts import Span
from inspector.store.database import store_errors
from inspector.store.tables import frames
from inspector.store.tally import within
from inspector.types import Decision, Expected

_WORDS = (
    *(("check", word) for word in ("ok", "ng", "uncertain")),
    *(("error", reason) for reason in frame_error_reasons()),
)

_COLUMNS = tuple(
    frames.c[name]
    for name in (
        *("received_at", "station", "frame_id", "part_id", "lot", "outcome", "word"),
        *("score", "bank_id", "bank_digest", "document"),
    )
)

_HERE = frames.c.station == bindparam("here")

_SAID_BY_ERROR = '"expected":"'
"""In the document of an error about a check part, and of no other: within a text, quotation marks are escaped."""

_IN_A_RUN = 50
_LOOKED_AT = 20
"""Errors of each reason, the newest, that are looked through for a run: a station may have very many."""


@dataclass(frozen=True, slots=True)
class FoundChecks:
    """checks: the newest that were found, newest first. more: there were further ones. passed_over: at some station
    there were more errors of one reason than were looked through, so that check parts may be among the older ones.
    """

    checks: list[Check]
    more: bool
    passed_over: bool

    @property
    def passed(self) -> int:
        """How many were told for what they are."""
        return sum(one.passed for one in self.checks)


class Checks:
    """Reads them. Safe from any thread.

    Both methods raise StoreError where the database cannot be read.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, stations: Sequence[str], spans: Sequence[Span], *, most: int, look: int) -> FoundChecks:
        """Those of these stations that arrived in these spans, `most` of them. look: so many errors of each reason at
        each station are looked through, the newest between the first span's begin and the last one's end.
        """
        if not spans:
            return FoundChecks([], more=False, passed_over=False)
        there = _HERE, frames.c.received_at >= spans[0].begin, frames.c.received_at < spans[-1].end
        newest = _newest(*there, spans=spans, most=most + 1, look=look)
        older = _older_errors(*there, look=look)
        found: list[Check] = []
        passed_over = False
        with store_errors("checks"), self._engine.connect() as connection:
            for station in filter(legible, stations):
                found += [_check(row) for row in connection.execute(newest, {"here": station})]
                passed_over |= connection.execute(older, {"here": station}).first() is not None
        found.sort(key=lambda one: one.at, reverse=True)
        return FoundChecks(found[:most], len(found) > most, passed_over)

    def runs(self, stations: Sequence[str], since: datetime) -> dict[str, Run]:
        """The newest run of each station that had a check since then; without those that a clock dated ahead of now."""
        found: dict[str, Run] = {}
        until = datetime.now(UTC) + AHEAD
        with store_errors("checks"), self._engine.connect() as connection:
            for station in filter(legible, stations):
                rows = connection.execute(_LATELY, {"here": station, "since": since, "until": until})
                checks = sorted(map(_check, rows), key=lambda one: one.at, reverse=True)
                if (run := newest_run(checks)) is not None:
                    found[station] = run
        return found


def _newest(*wanted: ColumnElement[bool], spans: Sequence[Span] = (), most: int, look: int) -> CompoundSelect[Any]:
    """The newest `most` of each word, as the index of the figures has them in order; of each reason of an error, those
    among the newest `look`. spans: in one of which they arrived, where given. Of errors they are asked last: few are
    of check parts, and to hold each against a hundred shifts takes longer than to read it.
    """
    parts = []
    for outcome, word in _WORDS:
        here = select(*_COLUMNS).where(frames.c.outcome == outcome, frames.c.word == word, *wanted)
        here = here.order_by(frames.c.received_at.desc())
        moment: ColumnElement[datetime] = frames.c.received_at
        if outcome == "error":
            read = here.limit(look).subquery()
            moment = read.c.received_at
            here = select(read).where(read.c.document.contains(_SAID_BY_ERROR)).order_by(moment.desc())
        if spans:
            here = here.where(within(spans, moment))
        parts.append(select(here.limit(most).subquery()))
    return union_all(*parts)


def _older_errors(*wanted: ColumnElement[bool], look: int) -> CompoundSelect[Any]:
    """One row for each reason of which there are more errors than `look`."""
    return union_all(
        *(
            select(
                select(frames.c.received_at)
                .where(frames.c.outcome == outcome, frames.c.word == word, *wanted)
                .order_by(frames.c.received_at.desc())
                .offset(look)
                .limit(1)
                .subquery()
            )
            for outcome, word in _WORDS
            if outcome == "error"
        )
    )


_LATELY = _newest(
    _HERE,
    frames.c.received_at >= bindparam("since"),
    frames.c.received_at <= bindparam("until"),
    most=_IN_A_RUN,
    look=_LOOKED_AT,
)


def _check(row: Any) -> Check:
    said = json.loads(row.document)
    error = row.outcome == "error"
    return Check(
        at=row.received_at,
        station=row.station,
        frame_id=row.frame_id,
        part_id=row.part_id,
        lot=row.lot,
        expected=Expected(said["expected"] if error else said["check"]["expected"]),
        decision=Decision.ERROR if error else Decision(row.word),
        reason=row.word if error else None,
        score=row.score,
        ng=None if error else said["thresholds"]["ng"],
        bank_id=row.bank_id,
        bank_digest=row.bank_digest,
    )
