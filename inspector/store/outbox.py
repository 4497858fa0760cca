"""The outbox: what is committed and still to be published, oldest first."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, bindparam, func, select

from inspector.store.database import store_errors
from inspector.store.tables import outbox

_WAITING = (
    select(outbox.c.id, outbox.c.topic, outbox.c.payload)
    .where(outbox.c.id > bindparam("after"), outbox.c.topic.not_in(bindparam("but", expanding=True)))
    .order_by(outbox.c.id)
    .limit(bindparam("most"))
)
_OLDEST = select(outbox.c.id).order_by(outbox.c.id).limit(bindparam("most"))


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message that the broker has not confirmed."""

    id: int
    topic: str
    payload: bytes


class Outbox:
    """Reads what waits; rows are written and removed by the ledger, in its transactions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def waiting(self, *, after: int = 0, most: int, but: Collection[str] = ()) -> list[OutboxMessage]:
        """The oldest messages with an id above `after`, without those to the topics in `but`.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("outbox"), self._engine.connect() as connection:
            rows = connection.execute(_WAITING, {"after": after, "most": most, "but": list(but)})
            return [OutboxMessage(row[0], row[1], row[2]) for row in rows]

    def oldest(self, most: int) -> list[int]:
        """The lowest ids.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("outbox"), self._engine.connect() as connection:
            return list(connection.execute(_OLDEST, {"most": most}).scalars())

    def depth(self) -> int:
        """How many messages wait.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("outbox"), self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())
