"""Makes outcomes durable, many in one transaction, and only then lets their frames be acknowledged."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from inspector import contract
from inspector.errors import FrameError, StoreError
from inspector.health import Health
from inspector.keeper import Keeper
from inspector.settlement import Settled, settle
from inspector.store import ConflictError, Entry, Known, Ledger, Quarantine, Waiting
from inspector.types import Decision, Inspection, Verdict
from inspector.worker import Outcome

log = logging.getLogger(__name__)

CONDITION = "ledger"

_MAX_WAITING = 256
_MAX_BATCH = 64
_CONFIRM_TOGETHER = 50
_IDLE_S = 0.25
_RETRY_S = (0.1, 5.0)


class Recorder:
    """Takes outcomes from any thread; one thread of its own writes them, and tries again until they are written.

    Quarantined bytes and archived pictures are on disk before the ledger says so, and the ledger before `on_recorded`
    is called. on_recorded: what was committed, in order, and what is to be published. on_confirmed: outbox ids that
    are gone. on_failure: a commit has to be tried again. on_missing: the station of a frame that is for review and was
    committed without its picture.
    """

    def __init__(
        self,
        ledger: Ledger,
        quarantine: Quarantine,
        keeper: Keeper,
        health: Health,
        *,
        on_recorded: Callable[[Sequence[Settled], Sequence[Waiting]], None],
        on_confirmed: Callable[[Sequence[int]], None],
        on_failure: Callable[[], None],
        on_missing: Callable[[str], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._ledger = ledger
        self._quarantine = quarantine
        self._keeper = keeper
        self._health = health
        self._on_recorded = on_recorded
        self._on_confirmed = on_confirmed
        self._on_failure = on_failure
        self._on_missing = on_missing
        self._on_fault = on_fault
        self._changed = threading.Condition()
        self._waiting: deque[Outcome] = deque()
        self._confirmed: list[int] = []
        self._unanswered: tuple[list[Settled], list[Entry]] | None = None
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def __enter__(self) -> "Recorder":
        self._health.set(CONDITION, None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Writes what waits, or gives up at once where it cannot: the broker sends those frames again."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def record(self, outcome: Outcome) -> None:
        """Hands over an outcome; blocks while many wait, which holds back the worker."""
        with self._changed:
            while len(self._waiting) >= _MAX_WAITING and not self._closing:
                self._changed.wait()
            self._waiting.append(outcome)
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Waits until all that was handed over is written, at most so long; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def confirm(self, ids: Sequence[int]) -> None:
        """The broker has these messages of the outbox; they are removed together, when there are many or little else
        to write.
        """
        with self._changed:
            self._confirmed.extend(ids)

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:  # noqa: BLE001 (the edge of a thread: told, and the process ends)
            self._on_fault(error)
        finally:
            with self._changed:
                self._closing = True
                self._changed.notify_all()

    def _step(self) -> bool:
        with self._changed:
            if not self._waiting and not self._closing:
                self._changed.wait(_IDLE_S)
            batch = [self._waiting.popleft() for _ in range(min(_MAX_BATCH, len(self._waiting)))]
            confirmed: list[int] = []
            if not batch or len(self._confirmed) >= _CONFIRM_TOGETHER:
                confirmed, self._confirmed = self._confirmed, []
            last = self._closing and not self._waiting and not self._confirmed
            self._busy = bool(batch)
            self._changed.notify_all()
        if batch or confirmed:
            self._write(batch, confirmed)
        with self._changed:
            self._busy = False
            self._changed.notify_all()
        return not last

    def _write(self, batch: Sequence[Outcome], confirmed: Sequence[int]) -> None:
        delay, most = _RETRY_S
        while True:
            try:
                settled, letters = self._commit(batch, confirmed)
                break
            except StoreError as error:
                self._on_failure()
                self._health.set(CONDITION, str(error))
                if self._closing:
                    log.error("outcomes not recorded", extra={"frames": len(batch), "fault": str(error)})
                    self._unanswered = None
                    return
            with self._changed:
                self._changed.wait_for(lambda: self._closing, delay)
            delay = min(most, delay * 2)
        self._health.set(CONDITION, None)
        self._on_recorded(settled, letters)
        self._on_confirmed(confirmed)

    def _commit(self, batch: Sequence[Outcome], confirmed: Sequence[int]) -> tuple[list[Settled], list[Waiting]]:
        """Most frames are new: so they are written unasked, and the ledger is only asked when it knows one.

        What a commit before this one wrote without an answer is not written again, nor taken for a duplicate.
        """
        if self._unanswered is not None:
            settled, entries = self._unanswered
            letters = self._ledger.written(entries)
            self._unanswered = None
            if letters is not None:
                self._tell_missing(entries)
                return settled, letters
        if all(outcome.error is None and not outcome.delivery.dup for outcome in batch):
            try:
                return self._commit_knowing(batch, confirmed, {})
            except ConflictError:
                pass
        frames = {(str(outcome.delivery.station), outcome.delivery.raw.frame_id) for outcome in batch}
        return self._commit_knowing(batch, confirmed, self._ledger.known(frames))

    def _commit_knowing(
        self, batch: Sequence[Outcome], confirmed: Sequence[int], known: Known
    ) -> tuple[list[Settled], list[Waiting]]:
        settled = settle(batch, known)
        with self._keeper.archive.held():
            entries = [self._entry(one) for one in settled if not one.duplicate]
            self._unanswered = settled, entries
            letters = self._ledger.commit(
                entries,
                duplicates=[one.key for one in settled if one.duplicate],
                attempted=[
                    (str(one.delivery.station), one.delivery.raw.frame_id, one.delivery.raw.sha256)
                    for one in batch
                    if one.delivery.dup
                ],
                confirmed=confirmed,
            )
        self._unanswered = None
        self._tell_missing(entries)
        return settled, letters

    def _tell_missing(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.queued and entry.image is None:
                self._on_missing(entry.station)

    def _entry(self, settled: Settled) -> Entry:
        if settled.error is not None:
            return self._error(settled.outcome, settled.error)
        if settled.outcome.inspection is not None:
            return self._verdict(settled.outcome, settled.outcome.inspection)
        return _drop(settled.outcome)

    def _verdict(self, outcome: Outcome, inspection: Inspection) -> Entry:
        message, post = outcome.delivery.message, outcome.post
        if message is None or post is None:
            raise AssertionError("an inspection without a message, or made by nothing")
        uncertain = inspection.decision is Decision.UNCERTAIN
        verdict = Verdict(
            result_id=outcome.result_id,
            station=message.station,
            frame_id=message.frame_id,
            seq=message.seq,
            part_id=message.part_id,
            lot=message.lot,
            recipe=post.recipe,
            decision=inspection.decision,
            score=inspection.score,
            thresholds=post.thresholds,
            p_value=inspection.p_value,
            regions=inspection.regions,
            bank=post.bank,
            captured_at=message.captured_at,
            received_at=outcome.delivery.received_at,
            decided_at=outcome.decided_at,
            stage_ms={"queue": outcome.queue_ms, **inspection.stage_ms},
            reason=(inspection.reason or "the score is between the thresholds ok and ng") if uncertain else None,
            drift=() if inspection.reading is None else inspection.reading.out,
        )
        asked = self._keeper.ask(
            verdict.decision, verdict.score, verdict.thresholds.ng, sha256=message.sha256, image=message.payload
        )
        return Entry(
            result_id=verdict.result_id,
            station=str(verdict.station),
            frame_id=verdict.frame_id,
            outcome="verdict",
            word=verdict.decision.value,
            sha256=message.sha256,
            received_at=verdict.received_at,
            decided_at=verdict.decided_at,
            captured_at=verdict.captured_at,
            seq=verdict.seq,
            part_id=verdict.part_id,
            lot=verdict.lot,
            recipe=verdict.recipe,
            score=verdict.score,
            p_value=verdict.p_value,
            bank_id=verdict.bank.id,
            bank_digest=verdict.bank.digest,
            document=contract.verdict_json(verdict),
            topic=contract.station_topic(verdict.station, "verdict"),
            image=asked.image,
            queued=asked.queued,
            sampled=asked.sampled,
            score_ratio=asked.score_ratio,
        )

    def _error(self, outcome: Outcome, error: FrameError) -> Entry:
        delivery, raw = outcome.delivery, outcome.delivery.raw
        quarantine_id = self._quarantine.keep(delivery.station, raw.sha256, raw.image, received_at=delivery.received_at)
        document = contract.error_json(
            error,
            str(delivery.station),
            raw,
            result_id=outcome.result_id,
            received_at=delivery.received_at,
            decided_at=outcome.decided_at,
            quarantine_id=quarantine_id,
        )
        return Entry(
            result_id=outcome.result_id,
            station=str(delivery.station),
            frame_id=raw.frame_id,
            outcome="error",
            word=error.reason,
            sha256=raw.sha256,
            received_at=delivery.received_at,
            decided_at=outcome.decided_at,
            part_id=raw.text("part_id"),
            lot=raw.text("lot"),
            quarantine_id=quarantine_id,
            document=document,
            topic=contract.station_topic(delivery.station, "error"),
        )


def _drop(outcome: Outcome) -> Entry:
    delivery, raw = outcome.delivery, outcome.delivery.raw
    return Entry(
        result_id=outcome.result_id,
        station=str(delivery.station),
        frame_id=raw.frame_id,
        outcome="drop",
        word=outcome.dropped or "superseded",
        sha256=raw.sha256,
        received_at=delivery.received_at,
        decided_at=outcome.decided_at,
        part_id=raw.text("part_id"),
        lot=raw.text("lot"),
    )
