"""JSON logs on stderr: one line for each event that matters, none for each frame.

libjpeg and libpng write plain lines about damaged pictures there too, past Python: "libpng error: …".
"""

import logging
import sys
import threading
import time
from collections.abc import Hashable

from pythonjsonlogger.json import JsonFormatter


def configure() -> None:
    """All of the process's logs become JSON lines: timestamp, level, logger, message, and what `extra` adds."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s%(levelname)s%(name)s%(message)s",
            rename_fields={"asctime": "timestamp", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


class RateLimited:
    """Logs an event of the same key once in a period, and then how many it has held back; of max_keys keys at most.
    Threads may share it.
    """

    def __init__(self, logger: logging.Logger, *, period_s: float = 10.0, max_keys: int = 1000) -> None:
        self._logger = logger
        self._period_s = period_s
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._told: dict[Hashable, tuple[float, int]] = {}

    def warning(self, key: Hashable, message: str, **extra: object) -> None:
        """Logs a warning, unless this key was logged within the period."""
        with self._lock:
            held = self._begin(key, time.monotonic())
        if held is not None:
            self._logger.warning(message, extra={**extra, "held_back": held} if held else extra)

    def _begin(self, key: Hashable, now: float) -> int | None:
        """How many were held back before this one, which is to be logged; None: it is held back."""
        last, held = self._told.get(key, (-self._period_s, 0))
        if now - last < self._period_s:
            self._told[key] = (last, held + 1)
            return None
        if key not in self._told and len(self._told) >= self._max_keys:
            oldest = next(iter(self._told))
            if now - self._told[oldest][0] < self._period_s:
                return None
            del self._told[oldest]
        self._told.pop(key, None)
        self._told[key] = (now, 0)  # the last: they stand in the order in which they were told
        return held
