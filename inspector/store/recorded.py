"""Recorded scores, on which other thresholds are tried. They come out of covering indexes, as the counts of `tally`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, false, or_, select

from inspector.store.database import reading, store_errors
from inspector.store.tables import frames, promotions, queued
from inspector.store.tally import removed_until

_TICK = timedelta(microseconds=1)
"""Moments in the ledger are no nearer to each other."""


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


class RecordedScores:
    """Reads them. Safe from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, station: str, bank_id: str, *, since: datetime, most: int) -> Recorded:
        """Scores of the newest `most` ok frames since a moment, of the flagged ones of the same time, and of all
        known defects; all under this bank or one that differs from it in its thresholds alone. Of a time that lost
        some of its frames to retention there are only defects.

        Raises:
            StoreError: the database cannot be read.
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
            gone = removed_until(connection, [station])
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


def _same_memory(connection: Connection, station: str, bank_id: str) -> set[str]:
    """Ids of the banks that differ from this one in thresholds alone, and its own."""
    query = select(promotions.c.from_id, promotions.c.to_id).where(
        promotions.c.station == station, promotions.c.action == "thresholds", promotions.c.from_id.is_not(None)
    )
    pairs = [set(row) for row in connection.execute(query)]
    found = {bank_id}
    while further := [pair for pair in pairs if pair & found and pair - found]:
        found.update(*further)
    return found


def _scores(rows: Any) -> NDArray[np.float64]:
    scores = np.array([row.score for row in rows], np.float64)
    return scores[np.isfinite(scores)]
