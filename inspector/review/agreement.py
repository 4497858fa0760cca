"""How far two people say the same of the same frame: Cohen's kappa (1960), which takes off what chance would give.

The first and the second opinion on a frame are compared, whoever gave them. A second opinion is seldom blind: who gives
it can see the first, and often because it looked wrong. So this measures rather how often decisions are corrected, and
it errs on the side of disagreement.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from inspector.review.intervals import Rate, rate

LABELS = ("defect", "false_alarm", "unsure")

ENOUGH = 20
"""Frames with two opinions below which kappa is not told: its interval would span most of what is possible."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One row of the audit, as far as it says what somebody thought. disposition: None where it was taken back."""

    frame: int
    reviewer: str
    disposition: str | None
    action: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """table: frames by (first, second opinion). same: those with equal ones. kappa, with a 95 % interval: None where
    there are too few frames, or where everybody always says one and the same and chance would agree as well. The
    interval is the exact one of `same` with the same chance taken off: conditional on the margins, how often the first
    and the second opinions say what, which is taken for known.
    """

    table: Mapping[tuple[str, str], int]
    same: Rate
    kappa: tuple[float, float, float] | None

    @property
    def frames(self) -> int:
        """With two opinions."""
        return int(self.same.of)


def agreement(opinions: Iterable[Opinion]) -> Agreement:
    """From the audit's rows, those of a frame together and in order. Each reviewer's last word before the other's
    first counts; what was undone was never said.
    """
    table: Counter[tuple[str, str]] = Counter()
    for _, said in groupby(opinions, key=lambda one: one.frame):
        if (pair := _first_two(said)) is not None:
            table[pair] += 1
    frames = table.total()
    same = rate(sum(number for (first, second), number in table.items() if first == second), frames)
    return Agreement(dict(table), same, _kappa(table, same) if frames >= ENOUGH else None)


def _first_two(said: Iterable[Opinion]) -> tuple[str, str] | None:
    standing: list[Opinion] = []
    for one in said:
        if one.action == "undo":
            if standing and standing[-1].reviewer == one.reviewer:
                standing.pop()
        elif one.disposition in LABELS:
            standing.append(one)
    # A reviewer's own correction, made before anybody else spoke, is their opinion.
    opinions = [str([*words][-1].disposition) for _, words in groupby(standing, key=lambda one: one.reviewer)]
    return (opinions[0], opinions[1]) if len(opinions) > 1 else None


def _kappa(table: Mapping[tuple[str, str], int], same: Rate) -> tuple[float, float, float] | None:
    firsts, seconds = Counter[str](), Counter[str]()
    for (first, second), number in table.items():
        firsts[first] += number
        seconds[second] += number
    expected = sum(firsts[label] * seconds[label] for label in LABELS) / same.of**2
    if expected >= 1:
        return None
    kappa, low, high = ((share - expected) / (1 - expected) for share in (same.count / same.of, same.low, same.high))
    return kappa, max(-1.0, low), high
