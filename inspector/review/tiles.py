"""The figures that one looks for first: each a number and what it means."""

from dataclasses import dataclass

from inspector.charts.wording import count
from inspector.review.agreement import Agreement
from inspector.review.figures import Figures, inspected
from inspector.review.waiting import Waiting
from inspector.review.wording import between, duration, share, so_far

_LOST = "No frames in shifts that still have all of theirs."


@dataclass(frozen=True, slots=True)
class Tile:
    """name, value, and what it means."""

    name: str
    value: str
    meaning: str


def tiles(found: Figures, agreed: Agreement, waited: Waiting) -> list[Tile]:
    """The figures that one looks for first."""
    rejects, passed = found.false_rejects, found.escapes
    verdicts = inspected(found.outcomes)
    lost = _LOST if verdicts and not found.uncertain.of else None
    return [
        Tile("Inspected", f"{verdicts:,}", _inspected(found)),
        Tile("To review", f"{found.waiting:,}", f"of {count(found.asked, 'frame')} that people were asked for"),
        Tile(
            "False rejects",
            so_far(rejects),
            lost or (_false_rejects(found) if verdicts else "No frames were inspected."),
        ),
        Tile("Escapes", share(passed.rate.value if passed.rate else None), lost or _escapes(found)),
        Tile(
            "Uncertain",
            share(found.uncertain.value),
            f"{count(int(found.uncertain.count), 'frame')} that the bank leaves to people",
        ),
        Tile("Time to review", duration(waited.median_s), _waited(waited)),
        Tile("Agreement", share(agreed.same.value), _agreed(agreed)),
    ]


def _inspected(found: Figures) -> str:
    parts = [f"{found.outcomes['ng']:,} ng", f"{found.outcomes['uncertain']:,} uncertain"]
    parts += [f"{found.outcomes[word]:,} {named}" for word, named in (("error", "in error"), ("drop", "dropped"))
              if found.outcomes[word]]  # fmt: skip
    return ", ".join(parts)


def _false_rejects(found: Figures) -> str:
    rejects = found.false_rejects
    if rejects.waiting and not rejects.decided:
        return f"{count(rejects.waiting, 'ng frame')} to decide first"
    said = f"{rejects.found:,} of {count(int(rejects.rate.of), 'good frame')} rejected"
    if not rejects.open:
        return f"{between(rejects.rate)}; {said}"
    waits = [
        f"{number:,} {word}" for number, word in ((rejects.waiting, "ng"), (rejects.doubtful, "uncertain")) if number
    ]
    return f"{said}, {' and '.join(waits)} not decided"


def _escapes(found: Figures) -> str:
    passed = found.escapes
    if not passed.passed.of:
        if passed.drawn_waiting:
            return f"{count(passed.drawn_waiting, 'sampled ok frame')} to decide first"
        return "No ok frame was sampled in this time."
    drawn = f"{count(int(passed.passed.count), 'defect')} in {count(int(passed.passed.of), 'sampled ok frame')}"
    return f"{between(passed.rate)} of all defects; {drawn}" if passed.rate else f"{drawn}, and none was flagged"


def _waited(waited: Waiting) -> str:
    if not waited.frames:
        return "Nothing was decided in this time."
    return f"median of {waited.frames:,}; nine of ten within {duration(waited.p90_s)}"


def _agreed(agreed: Agreement) -> str:
    if not agreed.frames:
        return "No frame has two opinions."
    said = f"{agreed.same.count:.0f} of {count(agreed.frames, 'frame')} with two opinions"
    if agreed.kappa is None:
        return said
    kappa, low, high = agreed.kappa
    return f"{said}; kappa {kappa:.2f} ({low:.2f} to {high:.2f})"
