"""Evaluate a bank on labelled frames, frame by frame, through the line's own pipeline."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.evaluation.areas import Areas
from calibration.evaluation.budget import Kept, held_against
from calibration.evaluation.cases import GOOD, Case, cases_in, label_of, truth_of
from calibration.evaluation.masks import areas_in, united
from calibration.evaluation.metrics import PixelFigures, f1_max, image_auroc
from calibration.samples import pixels_digest
from inspector.charts.wording import count
from inspector.errors import FrameError, SamplesError, in_words
from inspector.folder import Contents, contents_of, foreign
from inspector.manifest import Promise
from inspector.pipeline import Pipeline
from inspector.progress import Track, silent
from inspector.recipe import Recipe
from inspector.types import Decision, Float32Array, Inspection
from inspector.window import window_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pipeline said about a case. error: why it could not be inspected. sample: it is a sample of the bank.
    above_ng: its score is above the threshold, whatever the drift of the whole picture makes of that.
    outside: its whole defect lies outside the crop or the region of interest.
    """

    case: Case
    decision: Decision
    score: float
    milliseconds: float
    error: str | None = None
    sample: bool = False
    above_ng: bool = False
    outside: bool = False


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
    notes: tuple[str, ...]
    outside: int = 0
    promise: Promise | None = None

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
            "false_reject_rate": self._share(Decision.NG, GOOD),
            "escape_rate": self._share(Decision.OK, *labels),
            "uncertain_rate": self._share(Decision.UNCERTAIN, GOOD, *labels),
            "n_good": sum(o.case.label == GOOD for o in self.outcomes),
            "n_defect": sum(o.case.label != GOOD for o in self.outcomes),
            "n_outside": self.outside,
            "n_error": self._failed(GOOD) + self._failed(*labels),
            "n_error_good": self._failed(GOOD),
            "n_error_defect": self._failed(*labels),
            "latency_ms": {"p50": _quantile(latencies, 0.5), "p95": _quantile(latencies, 0.95)},
            "bank": self.bank,
            "promise": asdict(kept) if (kept := self.kept()) else None,
            "per_defect": {label: self._per_defect(label, good) for label in labels},
            "notes": list(self.notes),
        }

    def kept(self) -> Kept | None:
        """The bank's promise, which is about scores above ng, compared with the good frames that were inspected, its
        own samples left out.
        """
        if self.promise is None:
            return None
        inspected = [o for o in self._readable() if o.case.label == GOOD and not o.sample]
        return held_against(self.promise, sum(o.above_ng for o in inspected), len(inspected))

    def _readable(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.decision is not Decision.ERROR]

    def _share(self, decision: Decision, *labels: str) -> float | None:
        """Share of the labelled frames that got this decision, of those that could be inspected."""
        among = [o for o in self._readable() if o.case.label in labels]
        return sum(o.decision is decision for o in among) / len(among) if among else None

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
    figures = PixelFigures()
    outcomes, notes = [], []
    recipe = pipeline.bank.recipe
    window = window_of(recipe)
    counts = window.counts if window else None
    samples = pipeline.bank.manifest.samples
    bytes_known = {sample.sha256 for sample in samples}
    pixels_known = {sample.pixels_sha256 for sample in samples if sample.pixels_sha256}
    for case in track(cases, "inspecting"):
        try:
            payload = case.path.read_bytes()
            inspection, frame = pipeline.inspect_decoding(payload)
        except (FrameError, OSError) as error:
            outcomes.append(Outcome(case, Decision.ERROR, float("nan"), 0.0, in_words(error)))
            notes.append(f"{case.path.relative_to(test_dir)}: {in_words(error)}")
            continue
        areas, note = areas_of(case, inspection, recipe)
        if note:
            notes.append(note)
        unseen = areas is not None and case.label != GOOD and not areas.any_in(counts)
        if areas is not None and not unseen:
            figures.add(inspection.anomaly_map, areas, counts)
        known = hashlib.sha256(payload).hexdigest() in bytes_known
        if pixels_known and not known:  # it may have been stored anew
            known = pixels_digest(frame) in pixels_known
        took_ms = sum(inspection.stage_ms.values())
        above = inspection.score > pipeline.bank.thresholds.ng
        outcomes.append(
            Outcome(case, inspection.decision, inspection.score, took_ms, sample=known, above_ng=above, outside=unseen)
        )
    outside = 0 if everywhere else sum(outcome.outside for outcome in outcomes)
    outcomes = [outcome for outcome in outcomes if everywhere or not outcome.outside]
    if outcomes and all(outcome.error is not None for outcome in outcomes):
        raise SamplesError(
            f"test folder {test_dir}: none of {len(outcomes)} frames can be inspected, so nothing can be told: "
            f"{outcomes[0].error}"
        )
    if held := sum(o.above_ng and o.decision is Decision.UNCERTAIN and o.case.label == GOOD for o in outcomes):
        notes.insert(
            0,
            f"{held} good frame{'s' if held != 1 else ''} scored above ng, yet not ng but uncertain: the whole picture "
            "differs from the samples (light, focus, place?); the promise counts them as rejected",
        )
    if known_frames := sum(outcome.sample for outcome in outcomes):
        notes.insert(
            0,
            f"{known_frames} of these {len(outcomes)} frames are samples of this bank: how they score says nothing "
            "about frames to come; the budget is held against the others",
        )
    if by_mask := sum(c.label == GOOD != label_of(c.path.relative_to(test_dir).parts[0]) for c in cases):
        notes.insert(0, f"no folder of good frames: frames whose mask is black count as good: {by_mask}")
    if not everywhere and (outside or (recipe.roi and any(case.masks for case in cases))):
        notes.insert(0, f"only what lies inside {_looked_at(recipe)} counts ({_outside(outside)})")
    return Evaluation(
        outcomes=tuple(outcomes),
        pixel_auroc=figures.auroc,
        aupro=figures.aupro,
        bank=pipeline.bank.summary(),
        notes=(
            *_missing([outcome.case for outcome in outcomes]),
            *_left_out(cases, contents, test_dir),
            *_unmasked(cases, test_dir),
            *notes,
        ),
        outside=outside,
        promise=pipeline.bank.manifest.calibration.promise,
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


def _looked_at(recipe: Recipe) -> str:
    return "the region of interest" if recipe.roi else "the crop"


def _outside(outside: int) -> str:
    frames = f"{outside} frame{'s' if outside != 1 else ''}"
    return f"{frames} left out, with a defect that lies outside altogether"


def _missing(cases: Sequence[Case]) -> list[str]:
    labels = {case.label for case in cases}
    notes = []
    if GOOD not in labels:
        notes.append(f"no {GOOD}/ folder: AUROC and false-reject rate cannot be told")
    if labels == {GOOD}:
        notes.append("no defective frames: AUROC, F1 and escape rate cannot be told")
    return notes


def _left_out(cases: Sequence[Case], contents: Contents, test_dir: Path) -> list[str]:
    """Frames that nobody would miss without a word."""
    used = {path for case in cases for path in (case.path, *case.masks)}
    loose = [path for path in contents.pictures if path.parent == test_dir and path not in used]
    notes = []
    if contents.foreign:
        first, number = contents.foreign[0], count(len(contents.foreign), "picture")
        named = f"{first.relative_to(test_dir)} ({foreign(first)})"
        notes.append(f"left out, in formats that are not read: {number}, such as {named}")
    if loose:
        number = count(len(loose), "picture")
        notes.append(f"left out, in no folder that labels them: {number}, such as {loose[0].name}")
    return notes


def _unmasked(cases: Sequence[Case], test_dir: Path) -> list[str]:
    """Said where not all defective frames have a mask."""
    defective = [case for case in cases if case.label != GOOD]
    without = [case for case in defective if not case.masks]
    if not without:
        return []
    truth, first = truth_of(test_dir), without[0]
    expected = truth / first.label / f"{first.path.stem}_mask.png"
    if len(without) == len(defective) and not truth.is_dir():
        return [f"no masks: pixel AUROC and AUPRO cannot be told; for {first.path.name}, one would lie in {expected}"]
    return [
        f"{len(without)} of {len(defective)} defective frames have no mask, left out of the pixel figures: for "
        f"{first.path.name}, expected {expected}"
    ]


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None
