"""Messages of the outbox that wait apart, so that one that the broker never takes does not stand before all others.

A broker may say that a message is too large only by closing the connection; and nobody says which one it was. So after
a connection that was lost with messages on their way, those go one by one, and one that was alone on its way then waits
apart. It is never given up: it is tried again, alone, and seldom. No clock, no network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_TRIES = 2
"""After so many connections that ended on it alone, the broker most likely never takes it."""

_AGAIN_S = 15.0
"""The least time between two tries: each may cost the connection, and one that lasts is made anew at once."""

_SELDOM_S = 600.0
"""How often one is tried of those that the broker most likely never takes."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    tries: int
    size: int


class Aside:
    """Which messages go alone, and which wait; by their number in the outbox. size: bytes. now: monotonic seconds."""

    def __init__(self) -> None:
        self._doubted: set[int] = set()
        self._waiting: dict[int, _Waiting] = {}
        self._tries: dict[int, int] = {}
        self._announced: set[int] = set()
        self._again_from = self._seldom_from = 0.0

    @property
    def one_by_one(self) -> bool:
        """Whether only one message may be on its way."""
        return bool(self._doubted)

    @property
    def rows(self) -> set[int]:
        """Those that wait, and are not to be sent with the others."""
        return self._waiting.keys() | self._announced

    @property
    def held(self) -> set[int]:
        """Those that the broker most likely never takes; of those that ended a connection, also the larger ones."""
        told = [one.size for one in self._waiting.values() if one.tries >= _TRIES]
        tried = {row for row in self._doubted if self._tries.get(row, 0) >= _TRIES}
        return self._announced | tried | {row for row, one in self._waiting.items() if told and one.size >= min(told)}

    def connected(self) -> None:
        """Another connection: what the broker announced over the one before holds no longer."""
        self._announced.clear()

    def larger_than_announced(self, row: int) -> None:
        """The broker announced that it takes none as large."""
        self._doubted.discard(row)
        self._announced.add(row)

    def lost(self, sent: Mapping[int, int], now: float) -> None:
        """The connection ended with these on their way, and their sizes."""
        if len(sent) != 1 or not self._doubted:
            self._doubted.update(sent)
            return
        ((row, size),) = sent.items()
        self._doubted.discard(row)
        tries = self._tries[row] = self._tries.get(row, 0) + 1
        self._waiting[row] = _Waiting(tries, size)
        self._again_from = now + _AGAIN_S
        if tries >= _TRIES:
            self._seldom_from = now + _SELDOM_S

    def is_due(self, now: float) -> bool:
        """Whether it is the turn of one to be tried alone."""
        return bool(self._ready(now))

    def due(self, now: float) -> int | None:
        """One whose turn it is to be tried alone; it waits no longer."""
        ready = self._ready(now)
        if not ready:
            return None
        row = min(ready, key=lambda row: (ready[row], row))
        del self._waiting[row]
        self._doubted.add(row)
        return row

    def _ready(self, now: float) -> dict[int, int]:
        """Those that may be tried, and their sizes."""
        held = self.held
        ready = {row: one.size for row, one in self._waiting.items() if row not in held and now >= self._again_from}
        if not ready and now >= self._seldom_from:
            ready = {row: one.size for row, one in self._waiting.items() if row in held}
        return ready

    def settled(self, row: int) -> bool:
        """The broker answered to it, or it is in the outbox no longer. Returns whether others may go that were held, as
        what was too large passes now.
        """
        self._doubted.discard(row)
        if self._tries.pop(row, 0) < _TRIES:
            return False
        self._waiting.clear()
        self._tries.clear()
        return True
