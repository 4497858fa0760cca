"""What the figures of an evaluation do not say by themselves: what is not there, was left out or counts otherwise."""

from collections.abc import Sequence
from pathlib import Path

from calibration.evaluation.cases import GOOD, Case, label_of, truth_of
from calibration.evaluation.outcome import Outcome
from inspector.charts.wording import count
from inspector.folder import Contents, foreign
from inspector.recipe import Recipe
from inspector.types import Decision

_NAMED = 5
"""Folders that are named."""


def notes_of(
    test_dir: Path, contents: Contents, outcomes: Sequence[Outcome], recipe: Recipe, *, everywhere: bool
) -> tuple[str, ...]:
    """About the folder, all frames, then single ones. outcomes: of all cases; everywhere: as in `evaluate`."""
    cases = [outcome.case for outcome in outcomes]
    counted = [outcome for outcome in outcomes if everywhere or not outcome.outside]
    return (
        *_missing([outcome.case for outcome in counted], test_dir),
        *_left_out(cases, contents, test_dir),
        *_unmasked(cases, test_dir),
        *_mostly_white(counted),
        *([] if everywhere else _inside(cases, recipe, len(outcomes) - len(counted))),
        *_by_mask(cases, test_dir),
        *_own_samples(counted, everywhere=everywhere),
        *_held_back(counted),
        *_misfits(counted, test_dir),
        *(said for outcome in outcomes if (said := _of_one(outcome, test_dir))),
    )


def _missing(cases: Sequence[Case], test_dir: Path) -> list[str]:
    notes, labels = [], {case.label for case in cases}
    if GOOD not in labels:
        paths = [case.path.relative_to(test_dir) for case in cases]
        folders = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
        named = ", ".join(folders[:_NAMED]) + f" and {len(folders) - _NAMED} more" * (len(folders) > _NAMED)
        among = f"none of the folders {named} is called" if folders else "no folder is called"
        notes.append(
            f"{among} good, ok or normal: all frames count as defective, also in the escape rate; AUROC and "
            "false-reject rate cannot be told"
        )
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


def _mostly_white(outcomes: Sequence[Outcome]) -> list[str]:
    white = [outcome.case for outcome in outcomes if outcome.mostly_white]
    if not white:
        return []
    named = f"that of {white[0].label}/{white[0].path.name}"
    return [
        f"masks of {count(len(white), 'frame')} are more than half white, such as {named}: are they inverted? What is "
        "white counts as defective"
    ]


def _inside(cases: Sequence[Case], recipe: Recipe, outside: int) -> list[str]:
    if not outside and not (recipe.roi and any(case.masks for case in cases)):
        return []
    looked_at = "the region of interest" if recipe.roi else "the crop"
    left_out = f"{count(outside, 'frame')} left out, with a defect that lies outside altogether"
    return [f"only what lies inside {looked_at} counts ({left_out})"]


def _by_mask(cases: Sequence[Case], test_dir: Path) -> list[str]:
    good = sum(case.label == GOOD != label_of(case.path.relative_to(test_dir).parts[0]) for case in cases)
    return [f"no folder of good frames: frames whose mask is black count as good: {good}"] if good else []


def _own_samples(outcomes: Sequence[Outcome], *, everywhere: bool) -> list[str]:
    known = sum(outcome.sample for outcome in outcomes)
    if not known:
        return []
    then = "left out, but for pixel figures" if everywhere else "false rejects are counted among the others"
    return [
        f"{known} of these {len(outcomes)} frames are samples of this bank: how they score says nothing about frames "
        f"to come; {then}"
    ]


def _held_back(outcomes: Sequence[Outcome]) -> list[str]:
    held = sum(o.above_ng and o.decision is Decision.UNCERTAIN and o.case.label == GOOD for o in outcomes)
    if not held:
        return []
    return [
        f"{count(held, 'good frame')} scored above ng, yet not ng but uncertain: the whole picture differs from the "
        "samples (light, focus, place?); the promise counts them as rejected"
    ]


def _misfits(outcomes: Sequence[Outcome], test_dir: Path) -> list[str]:
    found = [outcome for outcome in outcomes if outcome.misfit]
    if not found:
        return []
    named = f"{found[0].case.path.relative_to(test_dir)}: {found[0].misfit}"
    return [
        f"{count(len(found), 'frame')} scored as ok, yet not ok but uncertain: of other proportions than the samples, "
        f"none of them can be ok. Such as {named}"
    ]


def _of_one(outcome: Outcome, test_dir: Path) -> str | None:
    return f"{outcome.case.path.relative_to(test_dir)}: {outcome.error}" if outcome.error else outcome.note
