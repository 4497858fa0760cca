"""What has changed since a moment ago: the database is asked once a second, however many browsers wait."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool

from inspector.errors import StoreError
from inspector.store import ReviewQueue

_EVERY_S = 1.0
_COUNT_S = 60.0
"""How often what waits is counted though nothing was queued or decided: retention takes frames without a word."""

_LASTS_S = 120.0
"""How long one stream lasts: a browser that is still there connects again, and is authenticated again."""

_MOST_STREAMS = 50
"""Of one account, which several tablets may share; above it the oldest ends, and its page connects again."""


class Live:
    """The state of the queue, at most a second old."""

    def __init__(self, queue: ReviewQueue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._asked = self._counted = 0.0
        self._pulse: tuple[int, int] | None = None
        self._state: dict[str, Any] = {}
        self._streams: dict[str, dict[object, None]] = {}

    def state(self) -> dict[str, Any]:
        """`pulse`: newest queued frame and newest disposition; `open`: frames that wait, by station.

        `away` instead of both where the database does not answer.
        """
        with self._lock:
            if time.monotonic() - self._asked >= _EVERY_S:
                self._look()
                self._asked = time.monotonic()
            return self._state

    def _look(self) -> None:
        try:
            pulse = self._queue.pulse()
            stale = time.monotonic() - self._counted >= _COUNT_S
            if pulse != self._pulse or "away" in self._state or stale:
                self._state = {"pulse": list(pulse), "open": self._queue.open_counts()}
                self._pulse, self._counted = pulse, time.monotonic()
        except StoreError:
            self._state = {"away": True}

    async def events(self, account: str) -> AsyncIterator[str]:
        """Server-sent events for somebody of this account: the state at once and whenever it changes; else `here`, as a
        page whose stream is silent must know that nobody is left to tell it anything: a machine that lost its power
        ends no connection.
        """
        told: dict[str, Any] | None = None
        end = time.monotonic() + _LASTS_S
        own, streams = object(), self._streams.setdefault(account, {})
        streams[own] = None
        if len(streams) > _MOST_STREAMS:
            del streams[next(iter(streams))]
        try:
            yield "retry: 2000\n\n"
            while own in streams and time.monotonic() < end:
                state = await run_in_threadpool(self.state)
                if state != told:
                    told = state
                    yield f"event: queue\ndata: {json.dumps(state)}\n\n"
                else:
                    yield "event: here\ndata:\n\n"
                await asyncio.sleep(_EVERY_S)
        finally:
            streams.pop(own, None)
