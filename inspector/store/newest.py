"""The newest frames of each station, found without a scan, however large the ledger is."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine, bindparam, literal, select, union_all

from inspector.legible import legible
from inspector.review.lately import AHEAD, SHOWN, NewestOutcome
from inspector.store.database import store_errors
from inspector.store.frame_row import COLUMNS, FrameRow
from inspector.store.tables import frames, queued
from inspector.store.tally import WORDS

_HERE = frames.c.station == bindparam("here")
_BY_NOW = frames.c.received_at <= bindparam("until")

# The newest of each word, as the index of the figures has them in order, and of these the newest.
_OUTCOMES = union_all(
    *(
        select(
            select(literal(outcome).label("outcome"), frames.c.word, frames.c.received_at)
            .where(_HERE, frames.c.outcome == outcome, frames.c.word == word, _BY_NOW)
            .order_by(frames.c.received_at.desc())
            .limit(SHOWN)
            .subquery()
        )
        for outcome, word in WORDS
    )
)

_FLAGGED = (
    select(*COLUMNS)
    .where(queued, _HERE, frames.c.word.in_(("ng", "uncertain")), _BY_NOW)
    .order_by(frames.c.received_at.desc())
    .limit(1)
)


class Newest:
    """Reads them. Safe from any thread. Frames that a clock dated ahead of now are left out.

    Both methods raise StoreError where the database cannot be read.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def outcomes(self, stations: Sequence[str]) -> dict[str, tuple[NewestOutcome, ...]]:
        """At most SHOWN of each station, oldest first."""
        found: dict[str, tuple[NewestOutcome, ...]] = {}
        until = datetime.now(UTC) + AHEAD
        with store_errors("line"), self._engine.connect() as connection:
            for station in filter(legible, stations):
                rows = sorted(
                    connection.execute(_OUTCOMES, {"here": station, "until": until}), key=lambda row: row.received_at
                )
                found[station] = tuple(
                    NewestOutcome(at, word) if outcome == "verdict" else NewestOutcome(at, outcome, word)
                    for outcome, word, at in rows[-SHOWN:]
                )
        return found

    def flagged(self, stations: Sequence[str]) -> dict[str, FrameRow]:
        """The newest ng or uncertain frame of each station that has one."""
        found: dict[str, FrameRow] = {}
        until = datetime.now(UTC) + AHEAD
        with store_errors("line"), self._engine.connect() as connection:
            for station in filter(legible, stations):
                row = connection.execute(_FLAGGED, {"here": station, "until": until}).first()
                if row is not None:
                    found[station] = FrameRow.of(row)
        return found
