"""The demo's book: what was published, what the line said about it, and how long that took. Pure but for a lock."""

import math
import threading
from array import array
from collections import Counter
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


class Book:
    """Notes frames and outcomes from any thread. An outcome that comes twice counts once.

    However long a demo runs: of a frame that has its outcome two times are kept, and counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}
        self._truths: Counter[str] = Counter()
        self._said: Counter[tuple[str, str]] = Counter()
        self._after_ms, self._inspection_ms = array("d"), array("d")

    def sent(self, frame_id: str, truth: str, moment: float) -> None:
        """A frame leaves at `moment` (seconds of a monotonic clock)."""
        with self._lock:
            self._truths[truth] += 1
            self._open[frame_id] = (truth, moment)

    def decided(self, frame_id: str, decision: str, moment: float, inspection_ms: float = 0.0) -> None:
        """A verdict, or an error, about a frame of ours has arrived; others are not noted."""
        with self._lock:
            if (frame := self._open.pop(frame_id, None)) is None:
                return
            truth, left = frame
            self._said[truth, decision] += 1
            if decision != "error":
                self._after_ms.append((moment - left) * 1000)
                self._inspection_ms.append(inspection_ms)

    @property
    def open(self) -> int:
        """Frames without an outcome yet."""
        with self._lock:
            return len(self._open)

    def summary(self, *, last: int | None = None) -> DemoSummary:
        """The counts up to now; latencies of the `last` verdicts only, where that is given."""
        with self._lock:
            lost, truths, said = len(self._open), self._truths.copy(), self._said.copy()
            recent = slice(None if last is None else -last, None)
            after_ms, inspection_ms = self._after_ms[recent].tolist(), self._inspection_ms[recent].tolist()
            verdicts = len(self._after_ms)
        return DemoSummary(
            frames=truths.total(),
            verdicts=verdicts,
            errors=said.total() - verdicts,
            lost=lost,
            good=truths[GOOD],
            false_rejects=said[GOOD, "ng"],
            uncertain=said[GOOD, "uncertain"],
            defects={
                kind: Caught(drawn=truths[kind], caught=said[kind, "ng"] + said[kind, "uncertain"])
                for kind in sorted(truths.keys() - {GOOD})
            },
            p50_ms=quantile(after_ms, 0.50),
            p99_ms=quantile(after_ms, 0.99),
            inspection_p50_ms=quantile(inspection_ms, 0.50),
        )


def quantile(values: list[float], share: float) -> float | None:
    """The smallest value that at least `share` of the values do not exceed; None of no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
