"""What the line's pipeline said of one labelled frame."""

from dataclasses import dataclass

from calibration.evaluation.cases import Case
from inspector.types import Decision


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pipeline said about a case. error: why it could not be inspected. sample: it is a sample of the bank.
    above_ng: its score is above the threshold, whatever the drift of the whole picture makes of that.
    misfit: why it is uncertain although its score is ok: its proportions.
    outside: its whole defect lies outside the crop or the region of interest.
    mostly_white: more than half of what is looked at is defective, by its masks. note: why these are in no figure.
    """

    case: Case
    decision: Decision
    score: float
    milliseconds: float
    error: str | None = None
    sample: bool = False
    above_ng: bool = False
    misfit: str | None = None
    outside: bool = False
    mostly_white: bool = False
    note: str | None = None
