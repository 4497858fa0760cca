"""Background work beside the line: counts what waits for operators and what they decided, and runs the retention."""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inspector.errors import StoreError
from inspector.guarded import guarded
from inspector.line.health import Health
from inspector.line.metrics import Metrics
from inspector.settings import RetentionSettings
from inspector.store import Archive, Freed, Policy, Retention, ReviewQueue, Reviews

log = logging.getLogger(__name__)

WARNING = "retention"
CLOCK = "clock"

FINISH_S = 2.0
"""Seconds that the step in hand gets at the end: a database that hangs must not hold up the process."""

_LOOK_EVERY_S = 5.0
_RELIEVE_EVERY_S = 60.0
_SWEEP_EVERY_S = 3600.0
_RETRY_S = 10.0
_JUMP_S = 600.0
_SILENT_S = 86_400.0
_WAKE_EVERY_S = 1.0
_REST = 9
"""It rests so many times as long as a step took, and thus takes at most a tenth of the disk's time."""

_SHORTEST_REST_S = 0.005


@dataclass(slots=True)
class _Task:
    """Work that is done every so often; where it fails, the others go on. fault: of the last time, else None."""

    every_s: float
    steps: Callable[[], Iterator[Freed]]
    due: float = 0.0
    fault: str | None = None


class _Clock:
    """The wall clock, compared with the monotonic one."""

    def __init__(self) -> None:
        self._began = (time.time(), time.monotonic())

    def jumped_s(self) -> float:
        """By how much it was set forward or back since."""
        return (time.time() - self._began[0]) - (time.monotonic() - self._began[1])


def policy_of(keep: RetentionSettings) -> Policy:
    """What the settings say of how long and how much is kept."""
    return Policy(
        records=keep.records_days,
        unreviewed=keep.unreviewed_days,
        reviewed=keep.reviewed_days,
        defects=keep.defects_days,
        max_bytes=round(keep.max_gb * 1e9),
        max_records=keep.max_records,
    )


class Housekeeper:
    """One thread for the least urgent work.

    To be made before frames come: the newest one in the ledger tells whether the clock may be wrong. stations: those
    that are configured. on_fault: called with the exception that ended the thread.

    Raises:
        StoreError: the ledger cannot be read.
    """

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
        self._last_review: int | None = None
        self._soon = (_Task(_LOOK_EVERY_S, self._look), _Task(_RELIEVE_EVERY_S, retention.relieve))
        self._tasks = [
            *self._soon,
            _Task(_SWEEP_EVERY_S, self._tidy),
            _Task(_SWEEP_EVERY_S, retention.forget_attempts),
            _Task(_SWEEP_EVERY_S, self._sweep, due=time.monotonic() + self._grace_s()),
        ]
        self._clock = _Clock()
        self._passed_over_s = 0.0
        self._closing = threading.Event()
        self._thread = guarded("housekeeper", self._run, on_fault)

    def _grace_s(self) -> float:
        """How long to wait with the first sweep: after a long time without a frame the box may have started with a
        clock that is ahead, and there is an hour to put it right before anything counts as old. A further start within
        that hour, by somebody who is about to, does not shorten it: frames of the hour do not count.
        """
        now = datetime.now(UTC)
        newest = self._retention.newest(but=(now - timedelta(seconds=_SWEEP_EVERY_S), now))
        silent_s = 0.0 if newest is None else (now - newest).total_seconds()
        if abs(silent_s) <= _SILENT_S:
            return 0.0
        log.info("no frame for long", extra={"seconds": round(silent_s), "nothing_is_removed_for_s": _SWEEP_EVERY_S})
        return _SWEEP_EVERY_S

    def __enter__(self) -> "Housekeeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Finishes the step in hand, if that takes no longer than FINISH_S; the rest is done after the next start."""
        self._closing.set()
        self._thread.join(FINISH_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            for task in self._tasks:
                self._do_when_due(task)
            self._closing.wait(_WAKE_EVERY_S)

    def _do_when_due(self, task: _Task) -> None:
        if time.monotonic() < task.due:
            return
        task.due = math.inf  # under way
        try:
            self._do(task.steps())
            task.fault = None
        except StoreError as error:
            task.fault = str(error)
        task.due = time.monotonic() + (task.every_s if task.fault is None else _RETRY_S)
        faults = dict.fromkeys(one.fault for one in self._tasks if one.fault is not None)
        self._health.warn(WARNING, "; ".join(faults) or None)

    def _tidy(self) -> Iterator[Freed]:
        """A folder that cannot be read is reported when the others are done."""
        yield from self._retention.tidy()
        if self._archive.unreadable is not None:
            raise StoreError(self._archive.unreadable)

    def _sweep(self) -> Iterator[Freed]:
        """Nothing after the clock has jumped: there is an hour to put it right before anything counts as old."""
        jump_s = self._clock.jumped_s()
        self._passed_over_s = 0.0
        if abs(jump_s) > _JUMP_S:
            self._passed_over_s = jump_s
            self._clock = _Clock()
            log.warning("clock jumped", extra={"seconds": round(jump_s), "nothing_is_removed_for_s": _SWEEP_EVERY_S})
            return iter(())
        return self._retention.sweep(datetime.now(UTC))

    def _do(self, steps: Iterator[Freed]) -> None:
        removed = Freed()
        while not self._closing.is_set():
            began = time.perf_counter()
            freed = next(steps, None)
            if freed is None:
                break
            self._metrics.retained.labels("records").inc(freed.records)
            self._metrics.retained.labels("pictures").inc(freed.pictures)
            removed = Freed(removed.records + freed.records, removed.pictures + freed.pictures)
            self._closing.wait(max(_SHORTEST_REST_S, _REST * (time.perf_counter() - began)))
            for task in self._soon:  # a sweep may take hours, and the archive would be full meanwhile
                self._do_when_due(task)
        if removed != Freed():
            log.info("retention", extra={"records": removed.records, "pictures": removed.pictures})

    def _look(self) -> Iterator[Freed]:
        """Counts, and removes nothing."""
        waiting = self._queue.open_counts()
        for station in self._stations:
            self._metrics.backlog.labels(station).set(waiting.get(station, 0))
        self._last_review, said = self._reviews.since(self._last_review)
        for (station, outcome), count in said.items():
            if station in self._stations:
                self._metrics.reviews.labels(station, outcome).inc(count)
        self._metrics.archive_bytes.set(self._archive.size_bytes)
        self._health.warn(CLOCK, self._jump())
        return iter(())

    def _jump(self) -> str | None:
        """What to tell of a clock that was set, until a sweep goes by it."""
        jump_s = self._clock.jumped_s()
        if abs(jump_s) <= _JUMP_S:
            jump_s = self._passed_over_s
        if jump_s == 0:
            return None
        way = "forward" if jump_s > 0 else "back"
        return f"the clock was set {way} by {abs(jump_s):.0f} s; is it right? what is too old by it goes after an hour"
