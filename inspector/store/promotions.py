"""Which bank a station was given, when, by whom and why: copied from the shelves' journals for the audit."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, bindparam, insert, select

from inspector.store.database import in_turn, store_errors, writing
from inspector.store.tables import frames, promotions
from inspector.types import Decision, Exchange

_WRITE_LOCK = 0x70726F6D
""" "prom": the advisory lock under which PostgreSQL records exchanges. Each page and command brings the audit up to
date; two that do so at once would both find the same exchange missing, and nobody could take the second row out.
"""


class Promotions:
    """Writes the table; `Audit` reads it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, station: str, exchanges: Sequence[Exchange]) -> int:
        """Those that are not in the table yet; returns how many they were.

        exchanges: all of the folder from which the station has its bank, oldest first. The station may have come to it
        later, so its history begins with the first of them that the table has. Where it has none: with the one that
        gave it the bank under which it decided its first frame, or, without such a frame, with the newest.

        Raises:
            StoreError: nothing was written.
        """
        if not exchanges:
            return 0
        with store_errors("promotions"), self._engine.connect() as connection:
            if not _new(connection, station, exchanges):
                return 0
        with store_errors("promotions"), writing(self._engine) as connection:
            in_turn(connection, _WRITE_LOCK)
            new = _new(connection, station, exchanges)  # another process may have written them meanwhile
            if new:
                connection.execute(insert(promotions), [_row(station, one) for one in new])
        return len(new)


def _new(connection: Connection, station: str, exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
    """Those that the table does not have."""
    known = select(promotions.c.at, promotions.c.to_digest).where(promotions.c.station == station)
    seen = {(row[0], row[1]) for row in connection.execute(known)}
    known_here = [n for n, one in enumerate(exchanges) if (one.at, one.after.digest) in seen]
    begin = known_here[0] if known_here else _begin(connection, station, exchanges)
    return [one for one in exchanges[begin:] if (one.at, one.after.digest) not in seen]


def _begin(connection: Connection, station: str, exchanges: Sequence[Exchange]) -> int:
    """Which of them gave the station the bank that it ran first."""
    banks = {bank.id for one in exchanges for bank in (one.before, one.after) if bank is not None}
    decided = (
        select(frames.c.received_at)
        .where(
            frames.c.station == station,
            frames.c.outcome == "verdict",
            frames.c.word == bindparam("word"),
            frames.c.bank_id.in_(banks),
        )
        .order_by(frames.c.received_at)
        .limit(1)
    )  # by word, as the index has them
    first = [connection.execute(decided, {"word": word.value}).scalar() for word in Decision]
    moments = [moment for moment in first if moment is not None]
    if not moments:
        return max(0, len(exchanges) - 1)
    return max((n for n, one in enumerate(exchanges) if one.at <= min(moments)), default=0)


def _row(station: str, one: Exchange) -> dict[str, object]:
    return {
        "at": one.at,
        "station": station,
        "by": one.by[:64],
        "action": one.action,
        "from_id": one.before.id if one.before else None,
        "from_digest": one.before.digest if one.before else None,
        "to_id": one.after.id,
        "to_digest": one.after.digest,
        "reason": one.reason,
        "guard_missed": one.guard_missed,
        "guard": one.guard,
    }
