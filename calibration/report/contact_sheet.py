"""The page of a calibration: what the thresholds rest on, and a contact sheet of the samples to look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from calibration.calibrate import Calibrated, Highest
from calibration.report import charts
from calibration.report.page import (
    card,
    card_without_picture,
    cards,
    document,
    map_scale,
    notes,
    section,
    tiles,
    write,
)
from calibration.report.pictures import small_view, stretch, with_map
from calibration.report.region import region
from calibration.suspects import FALSE_FLAGS, FEWEST, Kind, Suspect
from inspector.bank import Bank
from inspector.charts.markup import Markup, el
from inspector.charts.wording import count, score, told_apart
from inspector.errors import FrameError
from inspector.recipe import Recipe

NAME = "calibration.html"

SHOWN = 36
"""Suspects with a picture at most, the farthest from the others first; the rest are only listed."""

MEANING: dict[Kind, str] = {
    "outlying": "Somewhere on it is a patch unlike all other samples: a defect, or a rare good part?",
    "doubtful": "Something on it looks like a defect, and few samples show the like.",
    "blurred": "Out of focus or moving: the bank would learn blur as normal.",
    "overexposed": "White where others show the part: a defect there cannot be seen.",
    "underexposed": "Black where others show the part: a defect there cannot be seen.",
    "duplicate": "Nearly the same picture twice makes the thresholds tighter than new parts deserve.",
}


def write_contact_sheet(calibrated: Calibrated, good_dir: Path, folder: Path) -> Path:
    """Write the page of what `calibrate` found among the samples below `good_dir` into a folder; returns its path.

    Raises:
        UsageError: the folder cannot be written. BankError: the bank is not what was calibrated.
    """
    bank = Bank.load(calibrated.path)
    page = document(
        f"Calibration of bank {bank.path} ({bank.manifest.id}) from {good_dir}",
        _headline(calibrated),
        _caveats(calibrated),
        *_contact_sheet(calibrated, good_dir, bank),
        region(bank.manifest, good_dir / bank.manifest.samples[0].path),
        section("Thresholds", "Set from scores of the good samples, none of them held against itself.",
                tiles(_figures(calibrated))),
        _scores(bank),
        _highest(calibrated, good_dir, bank),
        notes([f"left out: {item.path} ({item.reason})" for item in calibrated.skipped]),
    )  # fmt: skip
    return write(folder, NAME, page)


def _headline(calibrated: Calibrated) -> list[str]:
    suspects = calibrated.suspects
    if calibrated.samples + len(suspects) * calibrated.excluded < FEWEST:
        return [f"{count(calibrated.samples, 'good sample')}: too few to tell which is suspicious."]
    if not suspects:
        return [f"Nothing suspicious among {count(calibrated.samples, 'good sample')}."]
    number = count(len(suspects), "suspicious sample")
    if calibrated.excluded:
        return [f"{number} left out.", f"The bank is built from the other {calibrated.samples:,}."]
    where = "It is" if len(suspects) == 1 else "They are"
    return [f"{number} of {calibrated.samples:,} to look at.", f"{where} in the bank."]


def _caveats(calibrated: Calibrated) -> Markup:
    if not calibrated.caveats:
        return Markup("")
    items = [el("li", said[0].upper() + said[1:] + ".") for said in calibrated.caveats]
    return section("What these samples cannot tell", "Whatever is calculated from them.", el("ul", items))


def _contact_sheet(calibrated: Calibrated, good_dir: Path, bank: Bank) -> list[Markup]:
    ranked = sorted(calibrated.suspects, key=lambda item: -item.distance)
    shown, listed = ranked[:SHOWN], ranked[SHOWN:]
    if not ranked:
        return []
    advice = (
        "What is good after all belongs into the bank: calibrate without --exclude-suspects, the others moved away."
        if calibrated.excluded
        else "Move what is not good out of the folder, or calibrate again with --exclude-suspects, which looks closer."
    )
    expected = (
        f"Each rule would flag {FALSE_FLAGS:g} samples of a sound set on average, more where good parts differ much. "
    )
    explained = (
        " The distance is that of the worst patch from what most others show, and on another scale than scores; where "
        "the thresholds rest on a sample, its score is told too."
    )
    scores = {item.name: item.score for item in calibrated.highest}
    parts = [el("p", expected, advice, explained), map_scale(stretched=True)]
    for kind, meaning in MEANING.items():
        chosen = [item for item in shown if item.doubts[0].kind == kind]
        if chosen:
            pictures = [
                _card(item, _figures_of(item, scores), good_dir, bank.recipe, _reasons(item), el("br"))
                for item in chosen
            ]
            parts.append(section(f"{kind.capitalize()} ({len(chosen):,})", meaning, cards(pictures)))
    return [*parts, _list(listed)] if listed else parts


def _figures_of(suspect: Suspect, scores: Mapping[str, float]) -> str:
    """scores: of the samples on which the thresholds rest, by name."""
    told = f"distance {score(suspect.distance)}"
    return f"{told}, score {score(scores[suspect.name])}" if suspect.name in scores else told


def _card(sample: Suspect | Highest, figures: str, good_dir: Path, recipe: Recipe, *said: Markup | str) -> Markup:
    told = (el("b", sample.name), el("br"), *said, figures)
    try:
        before = small_view((good_dir / sample.name).read_bytes(), recipe)
    except (OSError, FrameError) as error:
        return card_without_picture(error, *told)
    return card(before, with_map(before, *stretch(sample.heat)), sample.name, *told)


def _reasons(suspect: Suspect) -> str:
    return "; ".join(doubt.reason for doubt in suspect.doubts)


def _highest(calibrated: Calibrated, good_dir: Path, bank: Bank) -> Markup:
    """Those of the highest scores that are no suspects, which are shown above."""
    suspicious = {item.name for item in calibrated.suspects}
    shown = [item for item in calibrated.highest if item.name not in suspicious]
    if not shown:
        return Markup("")
    lead = (
        "The thresholds rest on these samples. Is one of them defective? Then defects like it pass: move it out of the "
        "folder and calibrate again."
    )
    pictures = [_card(item, f"score {score(item.score)}", good_dir, bank.recipe) for item in shown]
    return section("The highest scores", lead, map_scale(stretched=True), cards(pictures))


def _list(suspects: Sequence[Suspect]) -> Markup:
    items = [el("li", f"{item.name}: {item.reason}; distance {score(item.distance)}") for item in suspects]
    return section("More", "Nearer to the others, without pictures.", el("ul", items, class_="notes"))


def _figures(calibrated: Calibrated) -> list[tuple[str, str, str]]:
    promise, thresholds = calibrated.promise, calibrated.thresholds
    low, high = promise.interval
    ok, ng = told_apart(thresholds.ok, thresholds.ng)
    if promise.estimated:
        kept = (
            f"{promise.samples:,} samples are too few for {promise.max_false_reject:.2%}, which needs "
            f"{promise.samples_needed:,}: ng is an estimate"
            + (
                ", and what lies between ok and ng is uncertain."
                if thresholds.ng > thresholds.ok
                else ", no higher than ok."
            )
        )
    else:
        kept = f"Of good parts like these; truly {low:.2%} to {high:.2%} (90% confidence)."
    figures = [
        ("Samples", f"{calibrated.samples:,}", f"In the bank; {count(len(calibrated.skipped), 'file')} left out."),
        ("Expected false rejects", f"{promise.expected_false_reject:.2%}", kept),
        ("ok up to", ok, "Frames with lower image scores are passed."),
        ("ng above", ng, "Frames with higher image scores are rejected."),
    ]
    if calibrated.excluded:
        meaning = "Were all of the suspects good after all, up to so many more good parts would be rejected."
        figures.append(("At the worst", f"+{calibrated.left_out:.1%}", meaning))
    return figures


def _scores(bank: Bank) -> Markup:
    drawn = charts.histogram(bank.normal_scores, np.empty(0, np.float32), bank.thresholds)
    said = "Image scores of the good samples in the bank, each against a bank of others."
    return section("Scores", said, el("div", el("figure", drawn, class_="wide"), class_="charts"))
