"""Compare backbones and recipes on one's own samples: what they find, what a frame costs, what a bank weighs.

Each candidate is calibrated on the good samples and judged on labelled frames; without these, by how well held-back
samples separate from themselves with a synthetic defect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np

from calibration.calibrate import calibrate
from calibration.comparison.accuracy import Accuracy, Common, Said, noted, share
from calibration.comparison.candidate import Candidate
from calibration.comparison.intervals import behind, interval, passes_fewer
from calibration.comparison.latency import BURST, ROUNDS, take_turns
from calibration.comparison.outcome import Comparison, Judged
from calibration.evaluation.cases import GOOD, find_cases
from calibration.evaluation.evaluate import evaluate
from calibration.evaluation.metrics import PixelFigures, image_auroc
from calibration.options import Options
from calibration.samples import evenly
from calibration.separation import FOLDS, Trial, room, trial_samples
from calibration.threads import half_of_the_cores
from inspector.errors import InspectorError, SamplesError, UsageError
from inspector.pipeline import Pipeline
from inspector.progress import Track, named, silent
from inspector.recipe import Recipe
from inspector.samples.enough import MINIMUM
from inspector.types import Decision

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


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


@half_of_the_cores()
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
        UsageError: a candidate is fine-tuned, and there are no labelled frames to judge it by; or `folder` holds the
            banks of another comparison.
        SamplesError: no samples, too few, too few in common, or no labelled frames.
        InspectorError: no candidate could be judged.
    """
    places = [folder / f"{number:02d}" for number in range(1, len(listed) + 1)]
    if there := [place for place in places if place.exists()]:
        raise UsageError(f"compare: {there[0]} exists already; choose another folder for the banks, or move it away")
    if test_dir:
        find_cases(test_dir)
    elif any(candidate.finetune for candidate in listed):
        raise UsageError(
            "compare: fine-tuning learns synthetic defects, so they cannot judge it; give a TEST_DIR of labelled frames"
        )

    def build(number: int, candidate: Candidate) -> _Built:
        told = named(track, f"{number + 1}/{len(listed)} {candidate.name}")
        return _build(good_dir, candidate, places[number], options, told)

    errors: dict[int, InspectorError] = {}
    built = _each(dict(enumerate(listed)), build, errors)
    notes: list[str] = []
    if test_dir:
        found = _each(built, lambda _, each: _by_frames(each, test_dir), errors)
    else:
        paths, notes = _shared(good_dir, list(built.values())) if built else ([], [])
        beside = [each.recipe for each in built.values()]
        found = _each(built, lambda _, each: _by_separation(each, paths, beside, options.seed), errors)
    if not found:
        raise errors[min(errors)]
    timed = take_turns([(built[number].pipeline, _timed_by(accuracy)) for number, accuracy in found.items()], track)
    accuracies = list(found.values())
    common = Common.of(accuracies)
    judged = [
        _judged(built[number], accuracy, common, taken)
        for (number, accuracy), taken in zip(found.items(), timed, strict=True)
    ]
    if common.good and common.defect:
        judged = _held_against(judged, accuracies, common)
    return Comparison(
        judged=tuple(sorted(judged, key=lambda item: item.rank)),
        failed=tuple((listed[number], str(errors[number])) for number in sorted(errors)),
        synthetic=test_dir is None,
        n_good=len(common.good),
        n_defect=len(common.defect),
        notes=(*notes, *noted(accuracies), *common.notes),
    )


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
    paths = trial_samples([good_dir / name for name in names[0] if name in common])
    fit = max(FOLDS, min(room(each.recipe, each.candidate.backbone) for each in built))
    if fit >= len(paths):
        return paths, []
    return evenly(paths, fit), [f"judged by {fit} of {len(paths)} samples: the largest candidate has room for no more"]


def _by_frames(built: _Built, test_dir: Path) -> Accuracy:
    """Judged by labelled frames.

    Raises:
        SamplesError: none of them could be inspected.
    """
    evaluation = evaluate(built.pipeline, test_dir, everywhere=True, track=built.track)
    read = [o for o in evaluation.outcomes if o.decision is not Decision.ERROR]
    if not read:
        raise SamplesError(f"{built.candidate.name}: no frame could be inspected; {' '.join(evaluation.notes[:1])}")
    return Accuracy(
        name=built.candidate.name,
        good={str(o.case.path): Said(o.score, o.decision) for o in read if o.case.label == GOOD},
        defect={str(o.case.path): Said(o.score, o.decision) for o in read if o.case.label != GOOD},
        pixel_auroc=evaluation.pixel_auroc,
        aupro=evaluation.aupro,
        blind=frozenset(str(o.case.path) for o in read if o.outside),
        own=frozenset(str(o.case.path) for o in read if o.sample),
        notes=(*evaluation.notes, *_without_metric(built)),
    )


def _by_separation(built: _Built, paths: Sequence[Path], beside: Sequence[Recipe], seed: int) -> Accuracy:
    """Judged by how well held-back samples separate from themselves with a synthetic defect, where all candidates look
    at it.

    Raises:
        SamplesError: there is none.
    """
    pixels = PixelFigures()
    trial = Trial(paths, built.recipe, built.candidate.backbone, beside=beside, seed=seed, track=built.track)
    separation = trial.separation(built.recipe.power, pixels)
    names, (seen,) = [str(path) for path in trial.paths], trial.looked_at
    if not seen.any():
        raise SamplesError(
            f"{built.candidate.name}: got {len(seen)} synthetic defects, none where all candidates look; compare crops "
            "and regions that overlap and show most of the part, or give a TEST_DIR of labelled frames"
        )
    decide = built.pipeline.bank.thresholds.decide
    defect = [float(score) for score in separation.defect[0, seen]]
    return Accuracy(
        name=built.candidate.name,
        good={name: Said(float(score), None) for name, score in zip(names, separation.normal, strict=True)},
        defect={name: Said(score, decide(score)) for name, score in zip(compress(names, seen), defect, strict=True)},
        pixel_auroc=pixels.auroc,
        aupro=pixels.aupro,
        notes=_without_metric(built, trial),
    )


def _without_metric(built: _Built, trial: Trial | None = None) -> tuple[str, ...]:
    """Notes where the metric that the candidate's recipe has was not learnt, for its bank or for the trial."""
    if built.candidate.recipe.whitening not in (0.0, "auto") and not built.recipe.power:
        return ("calibrated without the metric of its recipe: too few patches to learn it",)
    if trial is not None and built.recipe.power and not trial.measurable:
        return (
            "judged without the metric that its bank has: the samples of the trial have too few patches to learn it",
        )
    return ()


def _timed_by(accuracy: Accuracy) -> list[Path]:
    """Frames that the candidate is timed with: of those that it could inspect, evenly spaced."""
    return [Path(name) for name in evenly(list({**accuracy.good, **accuracy.defect}), ROUNDS * BURST)]


def _judged(built: _Built, accuracy: Accuracy, common: Common, taken_ms: Sequence[float]) -> Judged:
    good, defect = common.said_by(accuracy)
    return Judged(
        candidate=built.candidate,
        image_auroc=image_auroc(*common.scores_by(accuracy)),
        pixel_auroc=accuracy.pixel_auroc,
        aupro=accuracy.aupro,
        false_reject_rate=share(Decision.NG, good),
        escape_rate=share(Decision.OK, defect),
        uncertain_rate=share(Decision.UNCERTAIN, [*good, *defect]),
        ms_p50=float(np.quantile(taken_ms, 0.5)),
        ms_p95=float(np.quantile(taken_ms, 0.95)),
        bank=built.pipeline.bank.summary(),
        seconds=built.seconds,
    )


def _held_against(judged: Sequence[Judged], accuracies: Sequence[Accuracy], common: Common) -> list[Judged]:
    """With intervals, differences to the best, and the front. judged: of the accuracies, in their order."""
    best = min(range(len(judged)), key=lambda index: judged[index].rank)
    scored = [common.scores_by(accuracy) for accuracy in accuracies]
    passed = [[said.decision is Decision.OK for said in common.said_by(accuracy)[1]] for accuracy in accuracies]
    others = len(judged) - 1
    return [
        replace(
            item,
            interval=interval(item.image_auroc or 0, len(common.good), len(common.defect)),
            behind=behind(scored[best], scored[index], others) if index != best else (0.0, 0.0),
            passes_fewer=index != best and passes_fewer(passed[index], passed[best], others),
            front=not any(other.beats(item) for other in judged),
        )
        for index, item in enumerate(judged)
    ]
