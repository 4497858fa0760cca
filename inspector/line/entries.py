"""What the ledger says about an outcome, and what is published about it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Literal

from inspector import contract
from inspector.errors import FrameError, NoBankError
from inspector.line.outcome import Outcome
from inspector.line.settlement import Settled
from inspector.line.triage import NOT_QUEUED, Triage
from inspector.store import Entry, Quarantine
from inspector.types import Inspection, Verdict


class Entries:
    """Makes entries for the ledger. What one refers to is on disk before: quarantined bytes, archived pictures."""

    def __init__(self, quarantine: Quarantine, triage: Triage) -> None:
        self._quarantine = quarantine
        self._triage = triage

    def held(self) -> AbstractContextManager[object]:
        """No picture is removed from the archive meanwhile: hold it until the entries are committed."""
        return self._triage.archive.held()

    def entries(self, settled: Sequence[Settled]) -> list[Entry]:
        """The rows of all that is no duplicate.

        Raises:
            StoreError: bytes that belong into the quarantine cannot be written.
        """
        new = [one for one in settled if not one.duplicate]
        self._triage.archive_together(_pictures(self._triage, new))
        return [self._entry(one) for one in new]

    def _entry(self, settled: Settled) -> Entry:
        """Its row of the ledger, and what is published about it."""
        if settled.error is not None:
            return replace(self._error(settled.outcome, settled.error), variant=settled.key[2])
        if settled.outcome.inspection is not None:
            return self._verdict(settled.outcome, settled.outcome.inspection)
        return _drop(settled.outcome)

    def _verdict(self, outcome: Outcome, inspection: Inspection) -> Entry:
        message, post = outcome.delivery.message, outcome.post
        if message is None or post is None:
            raise AssertionError("an inspection without a message, or made by nothing")
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
            reason=inspection.why,
            drift=() if inspection.reading is None else inspection.reading.out,
            expected=message.expected,
        )
        choice = NOT_QUEUED
        if verdict.expected is None:
            choice = self._triage.choose(
                verdict.decision, verdict.score, verdict.thresholds.ng, sha256=message.sha256, image=message.payload
            )
        return Entry(
            result_id=verdict.result_id,
            station=str(verdict.station),
            frame_id=verdict.frame_id,
            outcome="verdict" if verdict.expected is None else "check",
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
            image=choice.image,
            queued=choice.queued,
            sampled=choice.sampled,
            score_ratio=choice.score_ratio,
        )

    def _error(self, outcome: Outcome, error: FrameError) -> Entry:
        delivery, raw = outcome.delivery, outcome.delivery.raw
        quarantine_id = None
        if not isinstance(error, NoBankError):  # nothing is wrong with the picture, and others need the place
            quarantine_id = self._quarantine.keep(
                delivery.station, raw.sha256, raw.image, received_at=delivery.received_at
            )
        document = contract.error_json(
            error,
            str(delivery.station),
            raw,
            result_id=outcome.result_id,
            received_at=delivery.received_at,
            decided_at=outcome.decided_at,
            quarantine_id=quarantine_id,
        )
        return replace(
            _without_verdict(outcome, "error", error.reason),
            quarantine_id=quarantine_id,
            document=document,
            topic=contract.station_topic(delivery.station, "error"),
        )


def _pictures(triage: Triage, settled: Iterable[Settled]) -> Iterator[tuple[str, bytes]]:
    """Those that an operator is asked about, with their digests."""
    for one in settled:
        inspection, message = one.outcome.inspection, one.outcome.delivery.message
        if one.error is not None or inspection is None or message is None or message.expected is not None:
            continue
        if triage.asks(inspection.decision, message.sha256):
            yield message.sha256, message.payload


def _drop(outcome: Outcome) -> Entry:
    if outcome.dropped is None:
        raise AssertionError("neither an inspection, nor an error, nor a drop")
    return _without_verdict(outcome, "drop", outcome.dropped)


def _without_verdict(outcome: Outcome, kind: Literal["error", "drop"], word: str) -> Entry:
    """The row of a frame that gets no verdict, by what its sender says of it. seq: none of a check part, whose sender
    may count for himself: no row says that it was one.
    """
    delivery, raw = outcome.delivery, outcome.delivery.raw
    return Entry(
        result_id=outcome.result_id,
        station=str(delivery.station),
        frame_id=raw.frame_id,
        outcome=kind,
        word=word,
        sha256=raw.sha256,
        received_at=delivery.received_at,
        decided_at=outcome.decided_at,
        seq=raw.seq if raw.expected is None else None,
        part_id=raw.text("part_id"),
        lot=raw.text("lot"),
    )
