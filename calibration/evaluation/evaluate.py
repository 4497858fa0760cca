"""Evaluate a bank on labelled frames, frame by frame, through the line's own pipeline."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.evaluation.areas import Areas
from calibration.evaluation.budget import Kept, held_against
from calibration.evaluation.cases import GOOD, Case, cases_in
from calibration.evaluation.masks import areas_in, united
from calibration.evaluation.metrics import PixelFigures, f1_max, image_auroc
from calibration.evaluation.notes import notes_of
from calibration.evaluation.outcome import Outcome
from inspector.errors import FrameError, SamplesError, in_words
from inspector.folder import contents_of
from inspector.frame import pixels_sha256
from inspector.manifest import Promise, Sample
from inspector.pipeline import Pipeline
from inspector.progress import Track, silent
from inspector.recipe import Recipe
from inspector.types import Decision, Float32Array, Frame, Inspection
from inspector.window import window_of


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcomes of all cases, the figures of their anomaly maps (None without masks), and what the bank promised.

    bank: its summary. outside: how many defective frames were left out, as their whole defect lies outside the crop or
    the region of interest.
    """

    outcomes: tuple[Outcome, ...]
    pixel_auroc: float | None
    aupro: float | None
    bank: dict[str, Any]
    promise: Promise
    notes: tuple[str, ...]
    outside: int = 0

    def scores(self, *, good: bool) -> Float32Array:
        """Image scores of the good or of the defective frames, those that could not be inspected left out."""
        return np.array([o.score for o in self._readable() if (o.case.label == GOOD) == good], np.float32)

    def to_json(self) -> dict[str, Any]:
        """The one object that `inspector evaluate --json` prints."""
        good, defect = self.scores(good=True), self.scores(good=False)
        latencies = [o.milliseconds for o in self._readable()]
        labels = sorted({o.case.label for o in self.outcomes} - {GOOD})
        return {
            "image_auroc": image_auroc(good, defect),
            "pixel_auroc": self.pixel_auroc,
            "aupro": self.aupro,
            "f1_max": f1_max(good, defect),
            "false_reject_rate": _share_of(Decision.NG, self.new_good()),
            "escape_rate": self._share(Decision.OK, *labels),
            "uncertain_rate": self._share(Decision.UNCERTAIN, GOOD, *labels),
            "n_good": sum(o.case.label == GOOD for o in self.outcomes),
            "n_good_samples": sum(o.case.label == GOOD and o.sample for o in self.outcomes),
            "n_defect": sum(o.case.label != GOOD for o in self.outcomes),
            "n_outside": self.outside,
            "n_error": self._failed(GOOD) + self._failed(*labels),
            "n_error_good": self._failed(GOOD),
            "n_error_defect": self._failed(*labels),
            "latency_ms": {"p50": _quantile(latencies, 0.5), "p95": _quantile(latencies, 0.95)},
            "bank": self.bank,
            "promise": asdict(self.kept()),
            "per_defect": {label: self._per_defect(label, good) for label in labels},
            "notes": list(self.notes),
        }

    def kept(self) -> Kept:
        """The bank's promise, which is about scores above ng, compared with the good frames that are new to it."""
        new = self.new_good()
        return held_against(self.promise, sum(o.above_ng for o in new), len(new))

    def new_good(self) -> list[Outcome]:
        """Of the good frames that were inspected, without the bank's own samples."""
        return [o for o in self._readable() if o.case.label == GOOD and not o.sample]

    def _readable(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.decision is not Decision.ERROR]

    def _share(self, decision: Decision, *labels: str) -> float | None:
        """Share of the labelled frames that got this decision, of those that could be inspected."""
        return _share_of(decision, [o for o in self._readable() if o.case.label in labels])

    def _failed(self, *labels: str) -> int:
        return sum(o.decision is Decision.ERROR for o in self.outcomes if o.case.label in labels)

    def _per_defect(self, label: str, good: Float32Array) -> dict[str, Any]:
        scores = np.array([o.score for o in self._readable() if o.case.label == label], np.float32)
        return {
            "image_auroc": image_auroc(good, scores),
            "escape_rate": self._share(Decision.OK, label),
            "n": sum(o.case.label == label for o in self.outcomes),
        }


def evaluate(pipeline: Pipeline, test_dir: Path, *, everywhere: bool = False, track: Track = silent) -> Evaluation:
    """Inspect every case and compare with its label and mask.

    Under a crop or a region of interest only what lies inside counts: pixels outside are in no pixel figure, and a
    frame whose mask lies outside altogether is neither good nor defective and left out; unless `everywhere`, where a
    defect that the bank does not look at is one that it has to find.

    Raises:
        SamplesError: no labelled picture below test_dir, or none that can be inspected.
    """
    contents = contents_of(test_dir)
    cases = cases_in(test_dir, contents)
    figures, own = PixelFigures(), _OwnSamples(pipeline.bank.manifest.samples)
    outcomes = [_outcome(case, pipeline, own, figures) for case in track(cases, "inspecting")]
    counted = tuple(outcome for outcome in outcomes if everywhere or not outcome.outside)
    if counted and all(outcome.error is not None for outcome in counted):
        raise SamplesError(
            f"test folder {test_dir}: none of {len(counted)} frames can be inspected, so nothing can be told: "
            f"{counted[0].error}"
        )
    return Evaluation(
        outcomes=counted,
        pixel_auroc=figures.auroc,
        aupro=figures.aupro,
        bank=pipeline.bank.summary(),
        promise=pipeline.bank.manifest.calibration.promise,
        notes=notes_of(test_dir, contents, outcomes, pipeline.bank.recipe, everywhere=everywhere),
        outside=len(outcomes) - len(counted),
    )


class _OwnSamples:
    """Tells the bank's own samples among frames, also those that were stored anew without loss."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._bytes = {sample.sha256 for sample in samples}
        self._pixels = {sample.pixels_sha256 for sample in samples if sample.pixels_sha256}

    def have(self, payload: bytes, frame: Frame) -> bool:
        if hashlib.sha256(payload).hexdigest() in self._bytes:
            return True
        return bool(self._pixels) and pixels_sha256(frame) in self._pixels


def _outcome(case: Case, pipeline: Pipeline, own: _OwnSamples, figures: PixelFigures) -> Outcome:
    """Inspects the case, and adds its anomaly map to the figures."""
    try:
        payload = case.path.read_bytes()
        inspection, frame = pipeline.inspect_decoding(payload)
    except (FrameError, OSError) as error:
        return Outcome(case, Decision.ERROR, float("nan"), 0.0, in_words(error))
    recipe, thresholds = pipeline.bank.recipe, pipeline.bank.thresholds
    areas, note = areas_of(case, inspection, recipe)
    window = window_of(recipe)
    counts = window.counts if window else None
    unseen = areas is not None and case.label != GOOD and not areas.any_in(counts)
    if areas is not None and not unseen:
        figures.add(inspection.anomaly_map, areas, counts)
    return Outcome(
        case,
        inspection.decision,
        inspection.score,
        milliseconds=sum(inspection.stage_ms.values()),
        sample=own.have(payload, frame),
        above_ng=inspection.score > thresholds.ng,
        misfit=inspection.reason if inspection.score <= thresholds.ok else None,
        outside=unseen,
        mostly_white=areas is not None and bool(areas.defective.mean() > 0.5),
        note=note,
    )


def areas_of(case: Case, inspection: Inspection, recipe: Recipe) -> tuple[Areas | None, str | None]:
    """The defective areas of a frame, for its anomaly map; none in a good frame, or where the crop leaves none.

    Returns:
        None, with a note, where its masks do not fit, or nothing of them is white.
    """
    height, width = inspection.anomaly_map.shape
    if case.label == GOOD:
        return Areas.of(np.zeros((height, width), bool), (width, height)), None
    if not case.masks:
        return None, None
    white, wrong = united(case.masks, inspection.size_wh)
    if white is None:
        return None, f"{wrong}; left out of the pixel figures"
    return areas_in(white, recipe, (width, height)), None


def _share_of(decision: Decision, among: Sequence[Outcome]) -> float | None:
    return sum(o.decision is decision for o in among) / len(among) if among else None


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None
