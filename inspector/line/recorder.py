"""Makes outcomes durable, many in one transaction, and only then lets their frames be acknowledged."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from inspector.errors import StoreError
from inspector.guarded import guarded
from inspector.line.entries import Entries
from inspector.line.health import Health
from inspector.line.outcome import Outcome
from inspector.line.settlement import Settled, settle
from inspector.store import ConflictError, Entry, Known, Ledger, OutboxMessage
from inspector.store.ledger import Key

log = logging.getLogger(__name__)

CONDITION = "ledger"

CLOSE_S = 4.0
"""Seconds that what waits gets to be written when the recorder is to end; supervisors wait for 30 in all."""

_MAX_WAITING = 256
_MAX_WAITING_BYTES = 64_000_000
_MAX_BATCH = 64
_CONFIRM_TOGETHER = 50
_IDLE_S = 0.25
_RETRY_S = (0.1, 5.0)


class Recorder:
    """Takes outcomes from any thread; one thread of its own writes them, and tries again until they are written.

    What an entry refers to is on disk before the ledger is, and the ledger before `on_recorded` is called.
    on_recorded: what was committed, in order, and what is to be published. on_confirmed: outbox ids that are gone.
    on_failure: a commit has to be tried again. on_missing: the station of a frame that is for review and was committed
    without its picture.
    """

    def __init__(
        self,
        ledger: Ledger,
        entries: Entries,
        health: Health,
        *,
        on_recorded: Callable[[Sequence[Settled], Sequence[OutboxMessage]], None],
        on_confirmed: Callable[[Sequence[int]], None],
        on_failure: Callable[[], None],
        on_missing: Callable[[str], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._ledger = ledger
        self._entries = entries
        self._health = health
        self._on_recorded = on_recorded
        self._on_confirmed = on_confirmed
        self._on_failure = on_failure
        self._on_missing = on_missing
        self._changed = threading.Condition()
        self._waiting: deque[Outcome] = deque()
        self._confirmed: list[int] = []
        self._unanswered: tuple[list[Settled], list[Entry]] | None = None
        self._handed_over = self._written = 0
        self._closing = False
        self._give_up = math.inf
        self._since: float | None = None
        self._thread = guarded("recorder", self._run, on_fault)

    def __enter__(self) -> "Recorder":
        self._health.set(CONDITION, None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Writes what waits, as far as that takes no more than CLOSE_S, or gives up at once where it cannot: the broker
        sends the other frames again.
        """
        with self._changed:
            self._closing = True
            self._give_up = time.monotonic() + CLOSE_S
            self._changed.notify_all()
        self._thread.join(CLOSE_S + 1)
        if self._thread.is_alive():
            log.error("left unwritten", extra={"seconds": round(self.writing_s, 1)})

    @property
    def writing_s(self) -> float:
        """Seconds since the commit that is under way began; 0 while there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def record(self, outcome: Outcome) -> int:
        """Hands over an outcome; blocks while many wait, or much, which holds back the worker. Returns its number."""
        with self._changed:
            while self._is_full() and not self._closing:
                self._changed.wait()
            self._waiting.append(outcome)
            self._handed_over += 1
            self._changed.notify_all()
            return self._handed_over

    def _is_full(self) -> bool:
        size = sum(len(outcome.delivery.raw.image) for outcome in self._waiting)
        return len(self._waiting) >= _MAX_WAITING or size >= _MAX_WAITING_BYTES

    def flush(self, timeout_s: float, number: int | None = None) -> bool:
        """Waits until what was handed over up to that number, or before now, is written, at most so long; returns
        whether it is. What is handed over meanwhile is not waited for: it might never end.
        """
        with self._changed:
            last = self._handed_over if number is None else number
            return self._changed.wait_for(lambda: self._written >= last, timeout_s)

    def confirm(self, ids: Sequence[int]) -> None:
        """The broker has these messages of the outbox: removed once there are many, or little else to write."""
        with self._changed:
            self._confirmed.extend(ids)

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            with self._changed:
                self._closing = True
                self._changed.notify_all()

    def _step(self) -> bool:
        with self._changed:
            if not self._waiting and not self._closing:
                self._changed.wait(_IDLE_S)
            if self._waiting and time.monotonic() > self._give_up:
                log.error("left unwritten", extra={"frames": len(self._waiting)})
                return False
            batch = [self._waiting.popleft() for _ in range(min(_MAX_BATCH, len(self._waiting)))]
            confirmed: list[int] = []
            if not batch or len(self._confirmed) >= _CONFIRM_TOGETHER:
                confirmed, self._confirmed = self._confirmed, []
            last = self._closing and not self._waiting and not self._confirmed
            self._changed.notify_all()
        if batch or confirmed:
            self._write(batch, confirmed)
        with self._changed:
            self._written += len(batch)
            self._changed.notify_all()
        return not last

    def _write(self, batch: Sequence[Outcome], confirmed: Sequence[int]) -> None:
        delay, most = _RETRY_S
        while True:
            try:
                self._since = time.monotonic()
                settled, messages = self._commit(batch, confirmed)
                break
            except StoreError as error:
                self._on_failure()
                self._health.set(CONDITION, str(error))
                if self._closing:
                    log.error("outcomes not recorded", extra={"frames": len(batch), "fault": str(error)})
                    self._unanswered = None
                    return
            finally:
                self._since = None
            with self._changed:
                self._changed.wait_for(lambda: self._closing, delay)
            delay = min(most, delay * 2)
        self._health.set(CONDITION, None)
        self._on_recorded(settled, messages)
        self._on_confirmed(confirmed)

    def _commit(self, batch: Sequence[Outcome], confirmed: Sequence[int]) -> tuple[list[Settled], list[OutboxMessage]]:
        """Most frames are new, so they are written without a look into the ledger, unless it turns out to know one.

        What a commit before this one wrote without an answer is not written again, nor taken for a duplicate. A server
        may finish it late, so it is looked for again behind the look into the ledger: what that found is then no row of
        this batch.
        """
        if (done := self._written_unanswered()) is not None:
            return done
        fresh = all(outcome.error is None and not outcome.delivery.dup for outcome in batch)
        if fresh and self._unanswered is None:
            try:
                return self._commit_knowing(batch, confirmed, {})
            except ConflictError:
                pass
        known = self._ledger.known((str(outcome.delivery.station), outcome.delivery.raw.frame_id) for outcome in batch)
        return self._written_unanswered() or self._commit_knowing(batch, confirmed, known)

    def _written_unanswered(self) -> tuple[list[Settled], list[OutboxMessage]] | None:
        """What a commit of this batch wrote that failed; None where there was none, or it has written nothing yet."""
        if self._unanswered is None:
            return None
        settled, entries = self._unanswered
        messages = self._ledger.written(entries, _repeated(settled))
        if messages is None:
            return None
        self._unanswered = None
        self._tell_missing(entries)
        return settled, messages

    def _commit_knowing(
        self, batch: Sequence[Outcome], confirmed: Sequence[int], known: Known
    ) -> tuple[list[Settled], list[OutboxMessage]]:
        settled = settle(batch, known)
        with self._entries.held():
            entries = self._entries.entries(settled)
            self._unanswered = settled, entries
            messages = self._ledger.commit(
                entries,
                duplicates=_repeated(settled),
                attempted=[
                    (str(one.delivery.station), one.delivery.raw.frame_id, one.delivery.raw.sha256)
                    for one in batch
                    if one.delivery.dup
                ],
                confirmed=confirmed,
            )
        self._unanswered = None
        self._tell_missing(entries)
        return settled, messages

    def _tell_missing(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.queued and entry.image is None:
                self._on_missing(entry.station)


def _repeated(settled: Sequence[Settled]) -> list[Key]:
    return [one.key for one in settled if one.duplicate]
