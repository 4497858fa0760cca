"""How often something may fail before it has to wait. Kept in memory: a restart forgets."""

import threading
import time
from collections import deque
from collections.abc import Hashable

_MAX_KEYS = 10_000


class FailureLimit:
    """Counts the failures of each key within a period. Threads may share it.

    most: failures that are let through. period_s: seconds until a failure is forgotten.
    """

    def __init__(self, most: int, period_s: float) -> None:
        self._most = most
        self._period_s = period_s
        self._lock = threading.Lock()
        self._failures: dict[Hashable, deque[float]] = {}

    def begin(self, key: Hashable) -> float:
        """Begins an attempt, unless the key has to wait; returns for how many seconds, 0 where it has begun.

        An attempt counts as a failure from here on, so that many at once count as many: see `withdraw`.
        """
        with self._lock:
            recent = self._recent(key)
            if len(recent) >= self._most:
                return max(0.0, recent[-self._most] + self._period_s - time.monotonic())
            if key not in self._failures and len(self._failures) >= _MAX_KEYS:
                self._forget_old()
            recent.append(time.monotonic())
            self._failures[key] = recent
            return 0.0

    def withdraw(self, key: Hashable) -> None:
        """The attempt that was begun last is no failure."""
        with self._lock:
            if recent := self._failures.get(key):
                recent.pop()

    def forget(self, key: Hashable) -> None:
        """Forgets the failures of this key, as after a success."""
        with self._lock:
            self._failures.pop(key, None)

    def _recent(self, key: Hashable) -> deque[float]:
        recent = self._failures.get(key, deque(maxlen=self._most))
        while recent and recent[0] + self._period_s <= time.monotonic():
            recent.popleft()
        return recent

    def _forget_old(self) -> None:
        self._failures = {key: recent for key in list(self._failures) if (recent := self._recent(key))}
        while len(self._failures) >= _MAX_KEYS:
            self._failures.pop(next(iter(self._failures)))
