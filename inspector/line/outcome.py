"""What became of a frame, and what decided it."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from inspector.drift import Baseline
from inspector.errors import FrameError
from inspector.line.delivery import Delivery
from inspector.types import BankRef, Drop, Frame, Inspection, Thresholds


class Inspects(Protocol):
    """What the worker needs of a pipeline."""

    def inspect_decoding(self, payload: bytes) -> tuple[Inspection, Frame]:
        """The inspection, and the frame that was decoded. Raises FrameError for one that cannot be inspected."""
        ...


@dataclass(frozen=True, slots=True)
class Post:
    """What inspects the frames of a station. drift: what the bank's normals were like, None where it does not say."""

    pipeline: Inspects
    bank: BankRef
    thresholds: Thresholds
    recipe: str
    heatmap: bool = False
    drift: Baseline | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery: an inspection, an error, or the reason why it was left undecided.

    post: what ran at the station when the inspection was made; a bank that takes over meanwhile changes nothing here.
    """

    delivery: Delivery
    decided_at: datetime
    result_id: str
    inspection: Inspection | None = None
    post: Post | None = None
    error: FrameError | None = None
    dropped: Drop | None = None
    heatmap: bytes | None = None
    queue_ms: float = 0.0

    @classmethod
    def drop(cls, delivery: Delivery, reason: Drop) -> "Outcome":
        """A delivery that is left undecided."""
        return cls(delivery, datetime.now(UTC), str(uuid.uuid4()), dropped=reason)
