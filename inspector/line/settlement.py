"""What each delivery counts as, given what the ledger knows: decided here alone, without a database.

(station, frame id) has one verdict. The same bytes again are a duplicate. Other bytes under an id that has a verdict
are an error. An error does not claim its id: a better copy of the frame may still come. Without a legible id the
bytes do not say which part it is, so each such frame is an error of its own, unless the broker sends it again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inspector.errors import FrameError, FrameIdReusedError
from inspector.line.outcome import Outcome
from inspector.store.ledger import Key, variant_of_result


@dataclass(frozen=True, slots=True)
class Settled:
    """An outcome, and the row of the ledger that it makes or, as a duplicate, that it repeats.

    error: why it is an error, else None.
    """

    outcome: Outcome
    key: Key
    error: FrameError | None = None
    duplicate: bool = False


def settle(outcomes: Iterable[Outcome], known: Mapping[Key, str]) -> list[Settled]:
    """In order; earlier outcomes are known to later ones. known: sha256 by key, for the frame ids that occur."""
    seen = dict(known)
    settled = []
    for outcome in outcomes:
        one = _settle(outcome, seen)
        if not one.duplicate:
            seen[one.key] = outcome.delivery.raw.sha256
        settled.append(one)
    return settled


def _settle(outcome: Outcome, seen: Mapping[Key, str]) -> Settled:
    delivery = outcome.delivery
    station, frame_id, sha256 = str(delivery.station), delivery.raw.frame_id, delivery.raw.sha256
    claim, failure = (station, frame_id, ""), (station, frame_id, sha256)
    claimed = seen.get(claim)
    error = outcome.error
    if error is None and claimed is not None and claimed != sha256:
        error = FrameIdReusedError(
            f"{station}: frame_id {frame_id!r}: came before with sha256 {claimed[:16]}..., now with {sha256[:16]}..."
        )
    if error is None:
        if claimed is not None:
            return Settled(outcome, claim, duplicate=True)
        if failure in seen and delivery.dup:
            return Settled(outcome, failure, duplicate=True)
        return Settled(outcome, claim)
    if failure in seen:
        if delivery.dup or delivery.raw.text("frame_id") is not None:
            return Settled(outcome, failure, duplicate=True)
        return Settled(outcome, (station, frame_id, variant_of_result(outcome.result_id)), error)
    if claimed == sha256 and delivery.dup:
        return Settled(outcome, claim, duplicate=True)
    return Settled(outcome, failure, error)
