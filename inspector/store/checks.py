"""Check parts in the ledger: by their outcome, and those that ended as errors by what was published about them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Engine, bindparam, select, union_all

from inspector.errors import frame_error_reasons
from inspector.legible import legible
from inspector.review.checks import Check, Run, newest_run
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

_SAID_BY_ERROR = '"expected":"'
"""In the document of an error about a check part, and of no other: within a text, quotation marks are escaped."""

_IN_A_RUN = 50
_LOOKED_AT = 20
"""Errors of each reason, the newest, that are looked through for a run: a station may have very many."""


class Checks:
    """Reads them. Safe from any thread.

    Both methods raise StoreError where the database cannot be read.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, stations: Sequence[str], spans: Sequence[Span], *, most: int) -> list[Check]:
        """Those of these stations that arrived in these spans, newest first, `most` of them."""
        found: list[Check] = []
        if not spans:
            return found
        with store_errors("checks"), self._engine.connect() as connection:
            for station in filter(legible, stations):
                asked = _newest(frames.c.station == station, within(spans), most=most)
                found += [_check(row) for row in connection.execute(asked)]
        return sorted(found, key=lambda one: one.at, reverse=True)[:most]

    def runs(self, stations: Sequence[str], since: datetime) -> dict[str, Run]:
        """The newest run of each station that had a check since then."""
        found: dict[str, Run] = {}
        with store_errors("checks"), self._engine.connect() as connection:
            for station in filter(legible, stations):
                rows = connection.execute(_LATELY, {"here": station, "since": since})
                checks = sorted(map(_check, rows), key=lambda one: one.at, reverse=True)
                if (run := newest_run(checks)) is not None:
                    found[station] = run
        return found


def _newest(*wanted: ColumnElement[bool], most: int, look: int | None = None) -> CompoundSelect[Any]:
    """The newest `most` of each word, as the index of the figures has them in order. look: of each reason of an error,
    so many are read at most.
    """
    parts = []
    for outcome, word in _WORDS:
        here = select(*_COLUMNS).where(frames.c.outcome == outcome, frames.c.word == word, *wanted)
        here = here.order_by(frames.c.received_at.desc())
        if outcome == "error" and look is not None:
            read = here.limit(look).subquery()
            parts.append(select(read).where(read.c.document.contains(_SAID_BY_ERROR)))
            continue
        if outcome == "error":
            here = here.where(frames.c.document.contains(_SAID_BY_ERROR))
        parts.append(select(here.limit(most).subquery()))
    return union_all(*parts)


_LATELY = _newest(
    frames.c.station == bindparam("here"),
    frames.c.received_at >= bindparam("since"),
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
