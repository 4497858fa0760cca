"""Which bank a station was given, when, by whom and why: copied from the shelves' journals for the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select

from inspector.store.database import in_turn, store_errors, writing
from inspector.store.tables import promotions

_WRITE_LOCK = 0x70726F6D
""" "prom": the advisory lock under which PostgreSQL records exchanges. Each page and command brings the audit up to
date; two that do so at once would both find the same exchange missing, and nobody could take the second row out.
"""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One exchange of a bank. Each bank as (id, digest).

    guard: confirmed defects that it was held against, None where nobody asked; guard_missed: those it passes.
    """

    at: datetime
    by: str
    action: str
    before: tuple[str, str] | None
    after: tuple[str, str]
    reason: str | None
    guard_missed: int
    guard: int | None = None


class Promotions:
    """Writes the table; `Audit` reads it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, station: str, exchanges: Sequence[Promotion]) -> int:
        """Those that are not in the table yet, in order; returns how many they were.

        Raises:
            StoreError: nothing was written.
        """
        with store_errors("promotions"), writing(self._engine) as connection:
            in_turn(connection, _WRITE_LOCK)
            known = select(promotions.c.at, promotions.c.to_digest).where(promotions.c.station == station)
            seen = {(row[0], row[1]) for row in connection.execute(known)}
            new = [one for one in exchanges if (one.at, one.after[1]) not in seen]
            if new:
                connection.execute(insert(promotions), [_row(station, one) for one in new])
        return len(new)


def _row(station: str, one: Promotion) -> dict[str, object]:
    return {
        "at": one.at,
        "station": station,
        "by": one.by[:64],
        "action": one.action,
        "from_id": one.before[0] if one.before else None,
        "from_digest": one.before[1] if one.before else None,
        "to_id": one.after[0],
        "to_digest": one.after[1],
        "reason": one.reason,
        "guard_missed": one.guard_missed,
        "guard": one.guard,
    }
