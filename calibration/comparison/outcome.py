"""The outcome of a comparison: figures of each candidate, and what follows from them."""

from dataclasses import dataclass
from typing import Any

from calibration.comparison.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures of one candidate; None where they cannot be told.

    Rates are shares of frames at the bank's own thresholds. ms_p50, ms_p95: milliseconds a frame. bank: its summary.
    seconds: how long it took to calibrate.
    interval: where the image AUROC lies with 90 % confidence. behind: how far it is behind the best, likewise, by the
    same frames; (0, 0) for the best.
    passes_fewer: it lets fewer defects pass than the best, by more than chance explains.
    front: no other candidate is as good and faster, or as fast and better.
    """

    candidate: Candidate
    image_auroc: float | None
    pixel_auroc: float | None
    aupro: float | None
    false_reject_rate: float | None
    escape_rate: float | None
    uncertain_rate: float | None
    ms_p50: float
    ms_p95: float
    bank: dict[str, Any]
    seconds: float
    interval: tuple[float, float] | None = None
    behind: tuple[float, float] | None = None
    passes_fewer: bool = False
    front: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        """Sorts the best first: the highest image AUROC, the faster of equals."""
        return -(self.image_auroc or 0), self.ms_p50

    @property
    def told_apart(self) -> bool:
        """Whether it is worse than the best by more than chance explains."""
        return self.behind is not None and self.behind[0] > 0

    def beats(self, other: "Judged") -> bool:
        """Whether it is at least as good and as fast, and better at one of the two."""
        own, others = (self.image_auroc or 0, -self.ms_p50), (other.image_auroc or 0, -other.ms_p50)
        return own != others and own[0] >= others[0] and own[1] >= others[1]

    def to_json(self) -> dict[str, Any]:
        """The figures as `inspector compare --json` prints them."""
        return {
            "name": self.candidate.name,
            "backbone": self.candidate.backbone,
            "recipe": self.candidate.recipe.name,
            "finetune": self.candidate.finetune,
            "image_auroc": self.image_auroc,
            "image_auroc_interval": self.interval,
            "behind_best": self.behind,
            "worse_than_best": self.told_apart,
            "pixel_auroc": self.pixel_auroc,
            "aupro": self.aupro,
            "false_reject_rate": self.false_reject_rate,
            "escape_rate": self.escape_rate,
            "uncertain_rate": self.uncertain_rate,
            "latency_ms": {"p50": self.ms_p50, "p95": self.ms_p95},
            "bank": self.bank,
            "calibration_seconds": round(self.seconds, 2),
            "pareto_front": self.front,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """All candidates, the highest image AUROC first; those that could not be judged, and why.

    synthetic: judged by synthetic defects instead of labelled frames.
    """

    judged: tuple[Judged, ...]
    failed: tuple[tuple[Candidate, str], ...]
    synthetic: bool
    n_good: int
    n_defect: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The one object that `inspector compare --json` prints."""
        return {
            "judged_by": "synthetic defects" if self.synthetic else "labelled frames",
            "n_good": self.n_good,
            "n_defect": self.n_defect,
            "candidates": [judged.to_json() for judged in self.judged],
            "failed": [{"name": candidate.name, "error": error} for candidate, error in self.failed],
            "conclusion": conclusion(self),
            "notes": list(self.notes),
        }


def conclusion(comparison: Comparison) -> list[str]:
    """What follows from the figures, in a sentence or two."""
    best = comparison.judged[0]
    if best.image_auroc is None:
        return ["Accuracy cannot be told from these frames; time and size can."]
    if len(comparison.judged) == 1:
        return [
            f"{best.candidate.name} reaches image AUROC {best.image_auroc:.3f}. There is nothing to compare it with."
        ]
    said = [
        f"{best.candidate.name} separates best: image AUROC {best.image_auroc:.3f} at {best.ms_p50:.1f} ms a frame."
    ]
    alike = [item for item in comparison.judged if not item.told_apart]
    fastest = min(alike, key=lambda item: item.ms_p50)
    if fastest is not best:
        said.append(
            f"{fastest.candidate.name} cannot be told from it by these frames ({fastest.image_auroc or 0:.3f}) "
            f"and takes {fastest.ms_p50:.1f} ms."
        )
    elif len(alike) > 1:
        others = len(alike) - 1
        said.append(
            f"{others} other{'s' if others > 1 else ''} cannot be told from it by these frames, and none is faster."
        )
    else:
        said.append("All others separate less, by more than chance explains.")
    if sharper := [item for item in alike if item.passes_fewer]:
        said.append(_passing_fewer(min(sharper, key=lambda item: item.escape_rate or 0), best))
    return said


def _passing_fewer(item: Judged, best: Judged) -> str:
    said = (
        f"At the banks' thresholds {item.candidate.name} lets fewer defects pass: {item.escape_rate or 0:.1%} against "
        f"{best.escape_rate or 0:.1%}"
    )
    if item.false_reject_rate is None or best.false_reject_rate is None:
        return f"{said}."
    return f"{said}. Of the good frames it rejects {item.false_reject_rate:.1%}, against {best.false_reject_rate:.1%}."
