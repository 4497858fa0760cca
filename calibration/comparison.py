"""Compare backbones and recipes on one's own samples: what they find, what a frame costs, what a bank weighs.

Each candidate is calibrated on the good samples and judged on labelled frames; without these, by how well held-back
samples separate from themselves with a synthetic defect. Latencies are measured in turns, a few frames of each
candidate after the other, so that what disturbs the machine for a moment disturbs all alike.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from calibration.calibrate import Options, calibrate
from calibration.evaluation import GOOD, evaluate, find_cases
from calibration.metrics import PixelFigures, image_auroc
from calibration.progress import Track, named, silent
from calibration.samples import MINIMUM, drawn
from calibration.separation import FOLDS, Trial, chosen, room
from inspector.errors import InspectorError, SamplesError, UsageError
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.types import Decision, Float32Array

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")

ROUNDS: Final = 10
BURST: Final = 4
WARM: Final = 2
"""In each of ROUNDS, BURST frames of each candidate are timed after WARM that are not."""

PAUSE_S: Final = 0.05
"""Between turns: idle threads of one candidate spin for a while and would take the next one's cores."""

RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.90


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is compared: a recipe with a backbone (`builtin`, `timm:NAME[@FILE]`), under a name of its own.

    finetune: calibrated with fine-tuning, which learns synthetic defects.
    """

    name: str
    backbone: str
    recipe: Recipe
    finetune: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found out about a candidate.

    Rates are shares of frames at the bank's own thresholds, None where they cannot be told. interval: where the image
    AUROC lies with 90 % confidence, by resampling frames. behind: how far it is behind the best, likewise and pair by
    pair; (0, 0) for the best. front: no other candidate is both as good and faster, or as fast and better.
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
    front: bool = False

    @property
    def told_apart(self) -> bool:
        """Whether it is worse than the best beyond what chance explains."""
        return self.behind is not None and self.behind[0] > 0

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

    synthetic: judged by synthetic defects, not by labelled frames.
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


@dataclass(frozen=True, slots=True)
class _Built:
    """A candidate, the pipeline of its bank, and how many seconds it took to calibrate. track: names the candidate."""

    candidate: Candidate
    pipeline: Pipeline
    seconds: float
    track: Track

    @property
    def recipe(self) -> Recipe:
        """The bank's, which leaves nothing open."""
        return self.pipeline.bank.recipe


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A candidate before it is held against the others: its pipeline, and scores by the frame's path, at least one."""

    judged: Judged
    pipeline: Pipeline
    good: Mapping[str, float]
    defect: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def payloads(self) -> list[bytes]:
        """Frames to be timed with, evenly taken of those that it scored."""
        names = list({**self.good, **self.defect})
        taken = np.unique(np.linspace(0, len(names) - 1, ROUNDS * BURST).astype(int))
        return [Path(names[index]).read_bytes() for index in taken]


def candidates(backbones: Sequence[str], recipes: Mapping[str, Recipe], *, finetune: bool = False) -> list[Candidate]:
    """Every backbone with every recipe, and if asked for each of them fine-tuned too; named by what differs.

    Raises:
        UsageError: the same backbone twice.
    """
    if len(set(backbones)) != len(backbones):
        raise UsageError(f"backbones: got {', '.join(backbones)}; expected each one once")
    short = {backbone: backbone.partition("@")[0].removeprefix("timm:") for backbone in backbones}
    if len(set(short.values())) < len(short):
        short = {backbone: backbone.removeprefix("timm:") for backbone in backbones}
    plain = [
        Candidate(
            " · ".join([short[backbone]] * (len(backbones) > 1 or len(recipes) == 1) + [name] * (len(recipes) > 1)),
            backbone,
            recipe,
        )
        for backbone in backbones
        for name, recipe in recipes.items()
    ]
    tuned = [replace(item, name=f"{item.name} · fine-tuned", finetune=True) for item in plain] if finetune else []
    return plain + tuned


def compare(
    good_dir: Path,
    test_dir: Path | None,
    listed: Sequence[Candidate],
    folder: Path,
    options: Options,
    *,
    track: Track = silent,
) -> Comparison:
    """Calibrate every candidate into a folder below `folder`, judge them, and hold them against one another.

    options: of every calibration; backbone, recipe and fine-tuning are the candidate's.

    Raises:
        UsageError: a candidate is fine-tuned, and there are no labelled frames to judge it by.
        SamplesError: no samples, too few, too few in common, or no labelled frames. InspectorError: no candidate could
            be judged.
    """
    if test_dir:
        find_cases(test_dir)
    elif any(candidate.finetune for candidate in listed):
        raise UsageError(
            "compare: fine-tuning learns synthetic defects, so they cannot judge it; give a TEST_DIR of labelled frames"
        )

    def build(number: int, candidate: Candidate) -> _Built:
        told = named(track, f"{number + 1}/{len(listed)} {candidate.name}")
        return _build(good_dir, candidate, folder / f"{number + 1:02d}", options, told)

    errors: dict[int, InspectorError] = {}
    built = _each(dict(enumerate(listed)), build, errors)
    told: list[str] = []
    if test_dir:
        found = _each(built, lambda _, each: _by_frames(each, test_dir), errors)
    else:
        paths, told = _shared(good_dir, list(built.values())) if built else ([], [])
        beside = [each.recipe for each in built.values()]
        found = _each(built, lambda _, each: _by_separation(each, paths, beside, options.seed), errors)
    failed = [(listed[number], str(errors[number])) for number in sorted(errors)]
    outcomes = list(found.values())
    if not outcomes:
        raise errors[min(errors)]
    timed = take_turns([(outcome.pipeline, outcome.payloads()) for outcome in outcomes], track)
    outcomes = [
        replace(outcome, judged=replace(outcome.judged, ms_p50=_at(ms, 0.5), ms_p95=_at(ms, 0.95)))
        for outcome, ms in zip(outcomes, timed, strict=True)
    ]
    good, defect, lost = _common(outcomes)
    judged = _held_against(outcomes, good, defect)
    notes = dict.fromkeys([*told, *(note for outcome in outcomes for note in outcome.notes)])
    if lost:
        notes[f"intervals rest on the {len(good) + len(defect)} frames that all could inspect; {lost} are left out"] = (
            None
        )
    return Comparison(
        judged=tuple(sorted(judged, key=lambda item: (-(item.image_auroc or 0), item.ms_p50))),
        failed=tuple(failed),
        synthetic=test_dir is None,
        n_good=max(len(outcome.good) for outcome in outcomes),
        n_defect=max(len(outcome.defect) for outcome in outcomes),
        notes=tuple(notes),
    )


def conclusion(comparison: Comparison) -> list[str]:
    """What to make of it, in a sentence or two."""
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
    passed, name = min(
        (item.escape_rate, item.candidate.name) for item in comparison.judged if item.escape_rate is not None
    )
    if best.escape_rate is not None and passed < best.escape_rate:
        said.append(
            f"At the banks' thresholds {name} lets fewer defects pass: {passed:.1%} against {best.escape_rate:.1%}."
        )
    return said


def take_turns(sides: Sequence[tuple[Pipeline, Sequence[bytes]]], track: Track = silent) -> list[list[float]]:
    """Milliseconds from encoded frame to decision, for each pipeline with frames that it can inspect."""
    timed: list[list[float]] = [[] for _ in sides]
    for turn in track(range(ROUNDS), "timing in turns"):
        for shift in range(len(sides)):
            number = (turn + shift) % len(sides)
            pipeline, payloads = sides[number]
            time.sleep(PAUSE_S)
            for index in range(-WARM, BURST):
                told = pipeline.inspect(payloads[(turn * BURST + index) % len(payloads)])
                if index >= 0:
                    timed[number].append(sum(told.stage_ms.values()))
    return timed


def resampled(good: Sequence[Float32Array], defect: Sequence[Float32Array], seed: int = 0) -> NDArray[np.float64]:
    """Image AUROC of k candidates in RESAMPLES draws of the frames, the same frames for all: float (k, RESAMPLES).

    good, defect: each candidate's scores of the same frames in the same order, float32 (n,) and (m,).
    """
    rng = np.random.default_rng(seed)
    n, m = len(good[0]), len(defect[0])
    drawn_good = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float32)
    drawn_defect = rng.multinomial(m, np.full(m, 1 / m), RESAMPLES).astype(np.float32)
    found = []
    for normal, abnormal in zip(good, defect, strict=True):
        above = (abnormal > normal[:, None]) + 0.5 * (abnormal == normal[:, None])
        found.append((drawn_good @ above.astype(np.float32) * drawn_defect).sum(1) / (n * m))
    return np.array(found, np.float64)


def _each(
    items: Mapping[int, _Item], work: Callable[[int, _Item], _Found], errors: dict[int, InspectorError]
) -> dict[int, _Found]:
    """What comes of each item, by its number; where that fails, the error goes to `errors` and the others go on."""
    found = {}
    for number, item in items.items():
        try:
            found[number] = work(number, item)
        except InspectorError as error:
            errors[number] = error
    return found


def _build(good_dir: Path, candidate: Candidate, bank_dir: Path, options: Options, track: Track) -> _Built:
    told = replace(options, backbone=candidate.backbone, recipe=candidate.recipe, finetune=candidate.finetune)
    start = perf_counter()
    calibrate(good_dir, bank_dir, told, track=track)
    seconds = perf_counter() - start
    return _Built(candidate, Pipeline.open(bank_dir), seconds, track)


def _shared(good_dir: Path, built: Sequence[_Built]) -> tuple[list[Path], list[str]]:
    """Samples that are held back from all candidates alike: of those that every bank has, as many as the largest trial
    has room for; and what is to be noted.

    Raises:
        SamplesError: they have too few in common. BackboneError, RecipeError: see there.
    """
    names = [[sample.path for sample in each.pipeline.bank.manifest.samples] for each in built]
    common = set(names[0]).intersection(*names[1:])
    if len(common) < MINIMUM:
        raise SamplesError(
            f"compare {good_dir}: the candidates have {len(common)} samples in common, expected at least {MINIMUM}; "
            "their crops and regions fit different frames: compare them apart"
        )
    paths = chosen([good_dir / name for name in names[0] if name in common])
    fit = max(FOLDS, min(room(each.recipe, each.candidate.backbone) for each in built))
    if fit >= len(paths):
        return paths, []
    return drawn(paths, fit), [f"judged by {fit} of {len(paths)} samples: the largest candidate has room for no more"]


def _by_frames(built: _Built, test_dir: Path) -> _Outcome:
    candidate, evaluation = built.candidate, evaluate(built.pipeline, test_dir, track=built.track)
    figures = evaluation.to_json()
    read = [o for o in evaluation.outcomes if o.decision is not Decision.ERROR]
    judged = Judged(
        candidate=candidate,
        image_auroc=figures["image_auroc"],
        pixel_auroc=figures["pixel_auroc"],
        aupro=figures["aupro"],
        false_reject_rate=figures["false_reject_rate"],
        escape_rate=figures["escape_rate"],
        uncertain_rate=figures["uncertain_rate"],
        ms_p50=float("nan"),
        ms_p95=float("nan"),
        bank=figures["bank"],
        seconds=built.seconds,
    )
    good = {str(o.case.path): o.score for o in read if o.case.label == GOOD}
    defect = {str(o.case.path): o.score for o in read if o.case.label != GOOD}
    if not read:
        raise SamplesError(f"{candidate.name}: no frame could be inspected; {' '.join(evaluation.notes[:1])}")
    return _Outcome(judged, built.pipeline, good, defect, evaluation.notes)


def _by_separation(built: _Built, paths: Sequence[Path], beside: Sequence[Recipe], seed: int) -> _Outcome:
    candidate, pipeline, pixels = built.candidate, built.pipeline, PixelFigures()
    trial = Trial(paths, built.recipe, candidate.backbone, beside=beside, seed=seed, track=built.track)
    separation = trial.separation(built.recipe.power, pixels)
    names = [str(path) for path in trial.paths]
    manifest = pipeline.bank.manifest
    scores = separation.defect[0]
    decided = [pipeline.bank.thresholds.decide(float(score)) for score in scores]
    judged = Judged(
        candidate=candidate,
        image_auroc=image_auroc(separation.normal, scores),
        pixel_auroc=pixels.auroc,
        aupro=pixels.aupro,
        false_reject_rate=None,
        escape_rate=decided.count(Decision.OK) / len(decided),
        uncertain_rate=decided.count(Decision.UNCERTAIN) / len(decided),
        ms_p50=float("nan"),
        ms_p95=float("nan"),
        bank={
            "id": manifest.id,
            "vectors": manifest.vectors,
            "dim": manifest.dim,
            "bytes": pipeline.bank.bytes_on_disk,
        },
        seconds=built.seconds,
    )
    normal = dict(zip(names, map(float, separation.normal), strict=True))
    defect = dict(zip(names, map(float, scores), strict=True))
    return _Outcome(judged, pipeline, normal, defect)


def _common(outcomes: Sequence[_Outcome]) -> tuple[list[str], list[str], int]:
    """Frames that every candidate could score, good and defective; how many frames some could not."""
    good = [name for name in outcomes[0].good if all(name in outcome.good for outcome in outcomes)]
    defect = [name for name in outcomes[0].defect if all(name in outcome.defect for outcome in outcomes)]
    every = {name for outcome in outcomes for name in (*outcome.good, *outcome.defect)}
    return good, defect, len(every - {*good, *defect})


def _held_against(outcomes: Sequence[_Outcome], good: Sequence[str], defect: Sequence[str]) -> list[Judged]:
    judged = [outcome.judged for outcome in outcomes]
    if not good or not defect:
        return judged
    drawn = resampled(
        [np.array([outcome.good[name] for name in good], np.float32) for outcome in outcomes],
        [np.array([outcome.defect[name] for name in defect], np.float32) for outcome in outcomes],
    )
    best = max(range(len(judged)), key=lambda index: judged[index].image_auroc or 0)
    return [
        replace(
            item,
            interval=_interval(drawn[index]),
            behind=_interval(drawn[best] - drawn[index]),
            front=not any(_beats(other, item) for other in judged),
        )
        for index, item in enumerate(judged)
    ]


def _beats(one: Judged, other: Judged) -> bool:
    """Whether it is at least as good and as fast, and better at one of the two."""
    a, b = (one.image_auroc or 0, -one.ms_p50), (other.image_auroc or 0, -other.ms_p50)
    return a != b and a[0] >= b[0] and a[1] >= b[1]


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _at(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))
