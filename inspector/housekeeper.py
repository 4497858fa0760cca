"""Keeps house beside the line: counts what waits for operators and what they said, lets go what has had its time."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime

from inspector.errors import StoreError
from inspector.health import Health
from inspector.metrics import Metrics
from inspector.store import Archive, Freed, Retention, ReviewQueue, Reviews

log = logging.getLogger(__name__)

WARNING = "retention"

_LOOK_EVERY_S = 5.0
_SWEEP_EVERY_S = 3600.0
_REST = 9
"""How many times as long as it worked it rests after each step: it never takes more than a tenth of a disk's time."""

_SHORTEST_REST_S = 0.005


class Housekeeper:
    """One thread with the least urgent work. stations: those that are configured; on_fault: the thread ended by one."""

    def __init__(
        self,
        queue: ReviewQueue,
        reviews: Reviews,
        retention: Retention,
        archive: Archive,
        metrics: Metrics,
        health: Health,
        *,
        stations: Collection[str],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._queue = queue
        self._reviews = reviews
        self._retention = retention
        self._archive = archive
        self._metrics = metrics
        self._health = health
        self._stations = stations
        self._on_fault = on_fault
        self._last_review: int | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def __enter__(self) -> "Housekeeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Finishes the step in hand; the rest is done after the next start."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            swept = looked = -_SWEEP_EVERY_S
            while not self._closing.is_set():
                try:
                    if time.monotonic() - looked >= _LOOK_EVERY_S:
                        looked = time.monotonic()
                        self._look()
                        self._do(self._retention.relieve())
                    if time.monotonic() - swept >= _SWEEP_EVERY_S:
                        swept = time.monotonic()
                        self._do(self._retention.tidy())
                        self._do(self._retention.sweep(datetime.now(UTC)))
                    self._health.warn(WARNING, None)
                except StoreError as error:
                    self._health.warn(WARNING, str(error))
                self._closing.wait(1.0)
        except Exception as error:  # noqa: BLE001 (the edge of a thread: told, and the process ends)
            self._on_fault(error)

    def _do(self, steps: Iterator[Freed]) -> None:
        removed = Freed()
        while not self._closing.is_set():
            began = time.perf_counter()
            freed = next(steps, None)
            if freed is None:
                break
            self._metrics.retained.labels("records").inc(freed.records)
            self._metrics.retained.labels("pictures").inc(freed.pictures)
            self._metrics.archive_bytes.set(self._archive.size_bytes)
            removed = Freed(removed.records + freed.records, removed.pictures + freed.pictures)
            self._closing.wait(max(_SHORTEST_REST_S, _REST * (time.perf_counter() - began)))
        if removed != Freed():
            log.info("retention", extra={"records": removed.records, "pictures": removed.pictures})

    def _look(self) -> None:
        waiting = self._queue.open_counts()
        for station in self._stations:
            self._metrics.backlog.labels(station).set(waiting.get(station, 0))
        self._last_review, said = self._reviews.since(self._last_review)
        for (station, outcome), count in said.items():
            if station in self._stations:
                self._metrics.reviews.labels(station, outcome).inc(count)
        self._metrics.archive_bytes.set(self._archive.size_bytes)
