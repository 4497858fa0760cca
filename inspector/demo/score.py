"""The demo's book: what was published, what the line said about it, and how long that took. Pure but for a lock."""

import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

GOOD = "good"


@dataclass(frozen=True, slots=True)
class Caught:
    """Of `drawn` parts with one kind of defect, how many were not passed as ok."""

    drawn: int
    caught: int


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What a demo showed. Latencies in milliseconds, from a frame's publication to its verdict's arrival.

    lost: frames without an outcome. uncertain: good parts that were left to a person. inspection_p50_ms: the median
    time that the daemon itself spent on a frame.
    """

    frames: int
    verdicts: int
    errors: int
    lost: int
    good: int
    false_rejects: int
    uncertain: int
    defects: Mapping[str, Caught]
    p50_ms: float | None
    p99_ms: float | None
    inspection_p50_ms: float | None

    @property
    def drawn(self) -> int:
        """Parts with a defect."""
        return sum(kind.drawn for kind in self.defects.values())

    @property
    def caught(self) -> int:
        """Parts with a defect that were not passed."""
        return sum(kind.caught for kind in self.defects.values())

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {**asdict(self), "drawn": self.drawn, "caught": self.caught}


@dataclass(frozen=True, slots=True)
class _Outcome:
    decision: str
    after_ms: float
    inspection_ms: float


class Book:
    """Notes frames and outcomes from any thread. An outcome that comes twice counts once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[str, float]] = {}
        self._outcomes: dict[str, _Outcome] = {}

    def sent(self, frame_id: str, truth: str, moment: float) -> None:
        """A frame leaves at `moment` (seconds of a monotonic clock)."""
        with self._lock:
            self._sent[frame_id] = (truth, moment)

    def decided(self, frame_id: str, decision: str, moment: float, inspection_ms: float = 0.0) -> None:
        """A verdict, or an error, about a frame of ours has arrived; others are not noted."""
        with self._lock:
            if frame_id in self._sent and frame_id not in self._outcomes:
                after_ms = (moment - self._sent[frame_id][1]) * 1000
                self._outcomes[frame_id] = _Outcome(decision, after_ms, inspection_ms)

    @property
    def open(self) -> int:
        """Frames without an outcome yet."""
        with self._lock:
            return len(self._sent) - len(self._outcomes)

    def summary(self, *, last: int | None = None) -> DemoSummary:
        """The counts up to now; latencies of the `last` outcomes only, where that is given."""
        with self._lock:
            sent, outcomes = dict(self._sent), dict(self._outcomes)
        truths = {frame_id: truth for frame_id, (truth, _) in sent.items()}
        said = [(truths[frame_id], outcome.decision) for frame_id, outcome in outcomes.items()]
        verdicts = [outcome for outcome in outcomes.values() if outcome.decision != "error"]
        recent = verdicts if last is None else verdicts[-last:]
        kinds = sorted({truth for truth in truths.values() if truth != GOOD})
        return DemoSummary(
            frames=len(sent),
            verdicts=len(verdicts),
            errors=len(outcomes) - len(verdicts),
            lost=len(sent) - len(outcomes),
            good=sum(truth == GOOD for truth in truths.values()),
            false_rejects=said.count((GOOD, "ng")),
            uncertain=said.count((GOOD, "uncertain")),
            defects={
                kind: Caught(
                    drawn=sum(truth == kind for truth in truths.values()),
                    caught=sum(truth == kind and decision in ("ng", "uncertain") for truth, decision in said),
                )
                for kind in kinds
            },
            p50_ms=quantile([outcome.after_ms for outcome in recent], 0.50),
            p99_ms=quantile([outcome.after_ms for outcome in recent], 0.99),
            inspection_p50_ms=quantile([outcome.inspection_ms for outcome in recent], 0.50),
        )


def quantile(values: list[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed; None of no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
