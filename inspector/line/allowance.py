"""How often something may be done: what is asked for more often is left."""

import time
from collections.abc import Callable


class Allowance:
    """So many at once, and as many in each second after that. Used by one thread."""

    def __init__(self, per_s: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._left = float(per_s)
        self._at = clock()

    def take(self) -> bool:
        """Whether one more may be done now, which is then counted."""
        now = self._clock()
        self._left = min(self._per_s, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
