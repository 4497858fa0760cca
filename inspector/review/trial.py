"""Other thresholds on trial, in words: what they would have done, beside what those in use did."""

from dataclasses import dataclass

from inspector.charts.wording import count
from inspector.review.preview import Estimate, Preview, ScoresSeen
from inspector.review.wording import share

_PASSED = "Frames that passed count as good."
_EARLY = "How many a shift is told once there are frames of a whole one."


@dataclass(frozen=True, slots=True)
class Said:
    """key: stable, for scripts. value: the number. meaning: what it is of. now: the same at the thresholds in use.
    detail: what it stands on. alarm: it should not be overlooked.
    """

    key: str
    value: str
    meaning: str
    now: str
    detail: str
    alarm: bool = False


def said(seen: ScoresSeen, chosen: Preview, in_use: Preview, elsewhere: int) -> list[Said]:
    """Four figures. elsewhere: known defects that other banks scored, which cannot be compared."""
    return [
        _false_rejects(seen, chosen, in_use),
        _missed(seen, chosen, in_use, elsewhere),
        _to_review(seen, chosen, in_use),
        _normals(chosen, in_use),
    ]


def _false_rejects(seen: ScoresSeen, chosen: Preview, in_use: Preview) -> Said:
    meaning = "false rejects per shift"
    if chosen.false_rejects is None:
        return Said("false_rejects", "–", meaning, "–", "No frame was recorded with this bank yet.")
    among = f"{chosen.rejected:,} of {count(seen.good, 'good frame')}"
    if seen.shifts < 1:
        meaning, value, now = "false rejects so far", f"{chosen.rejected:,}", f"{in_use.rejected:,}"
        detail = f"{among}. {_EARLY} {_PASSED}"
    else:
        value, now = _value(chosen.false_rejects), _value(in_use.false_rejects)
        low, high = _number(chosen.false_rejects.low), _number(chosen.false_rejects.high)
        detail = f"{low} to {high} with 95 % confidence: {among} in {_shifts(seen.shifts)}. {_PASSED}"
    if chosen.waiting_rejected:
        many = count(chosen.waiting_rejected, "frame that nobody has decided", "frames that nobody has decided")
        detail += f" {many} would be rejected too."
    return Said("false_rejects", value, meaning, now, detail)


def _missed(seen: ScoresSeen, chosen: Preview, in_use: Preview, elsewhere: int) -> Said:
    known = len(seen.defect)
    meaning = f"of {count(known, 'known defect')} missed"
    other = f" {count(elsewhere, 'more was', 'more were')} scored by other banks and cannot be compared."
    tail = other if elsewhere else ""
    if not known:
        detail = "No defect is known with this bank: nothing tells what these thresholds would let pass."
        return Said("missed", "–", meaning, "–", detail + tail, alarm=True)
    detail = f"{chosen.caught:,} rejected, {chosen.doubted:,} uncertain: a person decides about those.{tail}"
    return Said("missed", f"{chosen.missed:,}", meaning, f"{in_use.missed:,}", detail, alarm=chosen.missed > 0)


def _to_review(seen: ScoresSeen, chosen: Preview, in_use: Preview) -> Said:
    meaning = "uncertain per shift to review"
    if chosen.to_review is None:
        return Said("to_review", "–", meaning, "–", "No frame was recorded with this bank yet.")
    if seen.shifts < 1:
        so_far = f"{count(chosen.uncertain, 'frame')}. {_EARLY}"
        return Said("to_review", f"{chosen.uncertain:,}", "uncertain so far", f"{in_use.uncertain:,}", so_far)
    low, high = _number(chosen.to_review.low), _number(chosen.to_review.high)
    detail = f"{low} to {high} with 95 % confidence: {count(chosen.uncertain, 'frame')} in {_shifts(seen.shifts)}."
    return Said("to_review", _value(chosen.to_review), meaning, _value(in_use.to_review), detail)


def _normals(chosen: Preview, in_use: Preview) -> Said:
    detail = (
        f"{chosen.normals_above:,} of {count(chosen.normals, 'normal sample')} of the bank scored above ng; truly at "
        f"most {share(chosen.normal_high)} with 95 % confidence."
    )
    if chosen.normals_above == 0:
        detail += f" So few samples cannot vouch for less than {share(chosen.normal_rate)}."
    return Said(
        "normals",
        share(chosen.normal_rate),
        "false rejects expected from the bank's samples",
        share(in_use.normal_rate),
        detail,
    )


def _value(estimate: Estimate | None) -> str:
    return "–" if estimate is None else _number(estimate.value)


def _number(value: float) -> str:
    """A number of frames: whole from ten on; below with a digit after the point, or two that count."""
    if value >= 9.95 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _shifts(number: float) -> str:
    return "1 shift" if number == 1 else f"{number:.1f} shifts"
