"""What other thresholds would have decided: about the frames that were recorded, the defects that are known, and the
normal samples that the bank was calibrated with.

A threshold is moved to change rare things, so each count comes with what it stands on. Frames at or below `ok` pass,
those above `ng` are rejected, a person decides about those between. Only scores of one and the same memory can be
compared: other thresholds leave them as they are, another bank does not.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inspector.review.intervals import lower, upper
from inspector.types import Float32Array

Kind = Literal["ok", "false_alarm", "waiting", "defect"]
KINDS: tuple[Kind, ...] = ("ok", "false_alarm", "waiting", "defect")
"""ok: passed, and nobody objected. false_alarm: flagged, and found good. waiting: flagged, not decided, or unsure.
defect: found to be one, flagged or not."""

Scores = NDArray[np.float64]


def _none() -> Scores:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class ScoresSeen:
    """Image scores under one memory bank, each array float64 (n,), ascending.

    ok, false_alarm, waiting: of the frames of a stretch of time that has `shifts` shifts in it, a part of one as a
    fraction. defect: all that are known, of that time or not. normals: cross-fitted scores of the bank's samples.
    """

    normals: Scores
    ok: Scores = field(default_factory=_none)
    false_alarm: Scores = field(default_factory=_none)
    waiting: Scores = field(default_factory=_none)
    defect: Scores = field(default_factory=_none)
    shifts: float = 0.0

    def __post_init__(self) -> None:
        for scores in (self.normals, *(self.of(kind) for kind in KINDS)):
            if len(scores) and not (np.isfinite(scores).all() and (np.diff(scores) >= 0).all()):
                raise ValueError("scores: got ones that are not finite or not ascending")

    def of(self, kind: Kind) -> Scores:
        """The scores of one kind."""
        return {"ok": self.ok, "false_alarm": self.false_alarm, "waiting": self.waiting, "defect": self.defect}[kind]

    @property
    def good(self) -> int:
        """Frames of the time that are good as far as anybody knows."""
        return len(self.ok) + len(self.false_alarm)


@dataclass(frozen=True, slots=True)
class Estimate:
    """So many a shift, with a 95 % interval; None where no frames were recorded."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pair of thresholds would have done.

    false_rejects: good frames above ng, a shift. rejected: how many they were; waiting_rejected: how many frames that
    nobody has decided would be among the rejected too, which may be false rejects as well.
    to_review: frames between ok and ng, a shift; uncertain: how many they were.
    missed, doubted, caught: known defects that would pass, go to a person, be rejected.
    normals_above: of the bank's normal samples, those above ng; normal_rate: the false-reject rate that they speak
    for, (1 + above) / (1 + samples), at most `normal_high` with 95 % confidence, both 0..1.
    """

    ok: float
    ng: float
    false_rejects: Estimate | None
    rejected: int
    waiting_rejected: int
    to_review: Estimate | None
    uncertain: int
    missed: int
    doubted: int
    caught: int
    normals: int
    normals_above: int
    normal_rate: float
    normal_high: float


def preview(seen: ScoresSeen, ok: float, ng: float) -> Preview:
    """What these thresholds would have done, ok <= ng, on the same scale as the scores."""
    if not ok <= ng:
        raise ValueError(f"preview: got ok {ok} and ng {ng}, expected ok <= ng")
    rejected = sum(_above(seen.of(kind), ng) for kind in ("ok", "false_alarm"))
    between = sum(_between(seen.of(kind), ok, ng) for kind in ("ok", "false_alarm", "waiting"))
    above, normals = _above(seen.normals, ng), len(seen.normals)
    return Preview(
        ok=ok,
        ng=ng,
        false_rejects=_a_shift(rejected, seen.good, seen.shifts),
        rejected=rejected,
        waiting_rejected=_above(seen.waiting, ng),
        to_review=_a_shift(between, seen.good + len(seen.waiting), seen.shifts),
        uncertain=between,
        missed=len(seen.defect) - _above(seen.defect, ok),
        doubted=_between(seen.defect, ok, ng),
        caught=_above(seen.defect, ng),
        normals=normals,
        normals_above=above,
        normal_rate=(1 + above) / (1 + normals),
        normal_high=upper(above, normals, 0.90),
    )


def _above(ascending: Scores, threshold: float) -> int:
    return len(ascending) - int(np.searchsorted(ascending, threshold, side="right"))


def _between(ascending: Scores, low: float, high: float) -> int:
    return _above(ascending, low) - _above(ascending, high)


def _a_shift(number: int, of: int, shifts: float) -> Estimate | None:
    if of == 0 or shifts <= 0:
        return None
    scale = of / shifts
    return Estimate(number / shifts, lower(number, of) * scale, upper(number, of) * scale)


def histogram(seen: ScoresSeen, low: float, high: float, bins: int) -> dict[Kind, NDArray[np.int64]]:
    """How many frames of each kind are in each of equal bins from low to high, low < high, by score: int64 (bins,).

    What lies outside is in the outermost bins.
    """
    edges = np.linspace(low, high, bins + 1)
    return {kind: np.histogram(np.clip(seen.of(kind), low, high), edges)[0] for kind in KINDS}


def axis(seen: ScoresSeen, ok: float, ng: float) -> tuple[float, float]:
    """From where to where scores are drawn and thresholds can be moved: all but far outliers, with room beside both."""
    everything = np.concatenate([seen.normals, *(seen.of(kind) for kind in KINDS)])
    low = min(float(everything.min(initial=ok)), ok)
    high = min(max(float(everything.max(initial=ng)), ng), 3 * ng if ng > 0 else np.inf)
    span = high - low or max(abs(high), 1.0)
    return max(0.0, low - 0.05 * span), max(high, ng + 0.25 * (ng - low or span)) + 0.02 * span


def ascending(scores: Float32Array | Scores) -> Scores:
    """As `ScoresSeen` holds them."""
    return np.sort(np.asarray(scores, np.float64))
