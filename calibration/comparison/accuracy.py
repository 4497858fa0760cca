"""What candidates said of each frame, and which frames they are all judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.comparison.intervals import Scores
from inspector.charts.wording import count
from inspector.types import Decision


@dataclass(frozen=True, slots=True)
class Said:
    """Of a frame: its score, and the decision by the bank's thresholds; None of a sample, which set them."""

    score: float
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What a candidate, known by its name, finds, before it is timed and held against the others.

    good, defect: what it said of each frame, by the frame's path; at least one of both together.
    blind: those of `defect` whose defect lies where it does not look. own: those that are samples of its bank.
    pixel_auroc, aupro: of what it looks at; None where they cannot be told.
    """

    name: str
    good: Mapping[str, Said]
    defect: Mapping[str, Said]
    pixel_auroc: float | None
    aupro: float | None
    blind: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Common:
    """The frames that all candidates are judged by, by their paths, and notes on those that are left out."""

    good: tuple[str, ...]
    defect: tuple[str, ...]
    notes: tuple[str, ...]

    def said_by(self, accuracy: Accuracy) -> tuple[list[Said], list[Said]]:
        """What a candidate said of the good ones, and of the defective ones."""
        return [accuracy.good[name] for name in self.good], [accuracy.defect[name] for name in self.defect]

    def scores_by(self, accuracy: Accuracy) -> Scores:
        """Its scores of them."""
        good, defect = (np.array([each.score for each in said], np.float32) for said in self.said_by(accuracy))
        return Scores(good, defect)

    @classmethod
    def of(cls, accuracies: Sequence[Accuracy]) -> "Common":
        """Frames that each candidate could inspect, without samples of any, and without defects that none looks at.
        accuracies: at least one.

        Where only some look at a defect it judges all: on the line the others would let it pass.
        """
        first, *others = accuracies
        own = first.own.union(*(other.own for other in others))
        unseen = first.blind.intersection(*(other.blind for other in others)) - own
        good = [name for name in first.good if all(name in other.good for other in others) and name not in own]
        defect = [name for name in first.defect if all(name in other.defect for other in others)]
        defect = [name for name in defect if name not in unseen | own]
        every = {name for each in accuracies for name in (*each.good, *each.defect)} - own
        notes = [
            f"{each.name}: does not look where {count(len(blind), 'defect')} can be seen: counted all the same, as on "
            "the line, but in no pixel figure"
            for each in accuracies
            if (blind := each.blind.intersection(defect))
        ]
        if unseen:
            notes.append(f"left out: {count(len(unseen), 'frame')} with a defect where no candidate looks")
        if lost := len(every - unseen - {*good, *defect}):
            notes.append(f"judged by the {len(good) + len(defect)} frames that all could inspect; {lost} are left out")
        return cls(tuple(good), tuple(defect), tuple(notes))


def noted(accuracies: Sequence[Accuracy]) -> list[str]:
    """The notes of all candidates; what is not noted of each of them has the candidate's name before it."""
    said = [
        note if all(note in other.notes for other in accuracies) else f"{each.name}: {note}"
        for each in accuracies
        for note in each.notes
    ]
    return list(dict.fromkeys(said))


def share(decision: Decision, said: Sequence[Said]) -> float | None:
    """How many got this decision of those that were decided, 0..1; None where none was."""
    decided = [each.decision for each in said if each.decision is not None]
    return decided.count(decision) / len(decided) if decided else None
