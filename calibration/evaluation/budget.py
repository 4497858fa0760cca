"""Was the false-reject budget kept on good frames that calibration never saw?

Given n normal samples, the rate that a threshold at one of them really rejects is Beta distributed (see `thresholds`),
so the number rejected of m new frames is beta-binomial. A threshold that is estimated, beyond all samples, rejects no
more than one at the highest of them. Where more are rejected than that explains, the new frames are not like the
samples: drift, another batch, samples that were too much alike.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from scipy.stats import betabinom, gamma

from inspector.manifest import Promise

UNLIKELY: Final = 0.05
"""A promise counts as broken where so many rejects or more have a smaller chance than this if it holds."""

SURE: Final = 0.95
"""How sure it has to be that the rate is within the budget before the budget counts as kept."""


def frames_to_tell(budget: float, rejected: int, among: int) -> int | None:
    """How many good frames it takes before so many rejected show the budget to be kept; None if `among` suffice.

    Without a reject among n frames the rate is below 3 / n (Hanley and Lippman-Hand, 1983), with some it is below the
    like for these (Garwood, 1936): never less than the exact interval says.
    """
    takes = math.ceil(gamma.ppf(SURE, rejected + 1) / budget)
    return takes if among < takes else None


@dataclass(frozen=True, slots=True)
class Kept:
    """A promise compared with good frames that calibration never saw.

    max_false_reject: the budget. rejected: of `among` frames. chance: of so many rejects or more if the promise holds,
    0..1; None without frames.
    word: where no more were rejected than the budget allows, `kept` if that shows the rate to be within it, otherwise
    `too few`; where more were, `by chance` if that explains it, `exceeded` if the promise itself is of more, as where
    somebody chose the thresholds, and `broken` if neither does; `unknown` without frames.
    """

    max_false_reject: float
    rejected: int
    among: int
    chance: float | None
    word: Literal["kept", "too few", "by chance", "exceeded", "broken", "unknown"]

    @property
    def takes(self) -> int | None:
        """How many good frames it takes, without another reject, to tell that it is kept; None if not `too few`."""
        return frames_to_tell(self.max_false_reject, self.rejected, self.among) if self.word == "too few" else None

    @property
    def verdict(self) -> str:
        """As it is told: what chance explains, and what so few frames did not meet, is `not refuted`."""
        return "not refuted" if self.word in ("by chance", "too few") else self.word


def held_against(promise: Promise, rejected: int, among: int) -> Kept:
    """Whether `rejected` of `among` good frames above `ng` are in keeping with what calibration promised."""
    n, budget = promise.samples, promise.max_false_reject
    if not among:
        return Kept(budget, rejected, among, None, "unknown")
    # Of the samples; an estimate lies above all of them, where the thresholds were set by hand there may be many.
    above = 0 if promise.estimated else round(promise.expected_false_reject * (n + 1)) - 1
    chance = float(betabinom.sf(rejected - 1, among, above + 1, n - above)) if above < n else 1.0
    if rejected <= budget * among:
        return Kept(budget, rejected, among, chance, "too few" if frames_to_tell(budget, rejected, among) else "kept")
    if chance < UNLIKELY:
        return Kept(budget, rejected, among, chance, "broken")
    return Kept(budget, rejected, among, chance, "exceeded" if promise.exceeded else "by chance")
