"""How sure figures are, given so many frames: where an AUROC lies, and how far a candidate is behind the best."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm, t

from inspector.types import Float32Array

CONFIDENCE: Final = 0.90

FEWEST: Final = 3
"""Of two frames of a kind nothing can be said: equals would be told apart in a quarter of all comparisons of four."""


class Scores(NamedTuple):
    """A candidate's image scores of good and of defective frames, float32 (n,) and (m,)."""

    good: Float32Array
    defect: Float32Array


def interval(auroc: float, good: int, defect: int) -> tuple[float, float]:
    """Where the true image AUROC lies with CONFIDENCE, by so many frames of each kind, at least one.

    Wilson's interval (1927), with the most that an AUROC can vary: A (1 - A) over the smaller of the two numbers
    (Bamber, 1975). So it holds however much wider the scores of defects spread than those of good frames, and where
    few frames are all in order it does not shrink to that.
    """
    fewer, z = min(good, defect), float(norm.ppf((1 + CONFIDENCE) / 2))
    middle = auroc + z * z / (2 * fewer)
    half = z * math.sqrt(auroc * (1 - auroc) / fewer + z * z / (4 * fewer * fewer))
    shrunk = 1 + z * z / fewer
    return max(0.0, (middle - half) / shrunk), min(1.0, (middle + half) / shrunk)


def behind(best: Scores, other: Scores, others: int) -> tuple[float, float]:
    """How far the image AUROC of a candidate is behind that of the best, by the same frames in the same order.

    The paired difference of DeLong et al. (1988), in Student's distribution, as few frames of a kind hardly tell how
    much they vary; its degrees of freedom are Satterthwaite's (1946). others: how many are held against the best; as it
    was picked by these frames, any pair of all could have been held so (Bonferroni). Fewer than FEWEST of a kind tell
    nothing.
    """
    ahead = _above(best) - _above(other)
    if min(ahead.shape) < FEWEST:
        return -1.0, 1.0
    counts = np.array(ahead.shape)
    parts = np.array([ahead.mean(1).var(ddof=1), ahead.mean(0).var(ddof=1)]) / counts
    middle, squared = float(ahead.mean()), float(parts.sum())
    if squared == 0:
        return middle, middle
    freedom = squared**2 / float((parts**2 / (counts - 1)).sum())
    reach = float(t.isf((1 - CONFIDENCE) / 2 / math.comb(others + 1, 2), freedom)) * math.sqrt(squared)
    return middle - reach, middle + reach


def passes_fewer(own: Sequence[bool], best: Sequence[bool], others: int) -> bool:
    """Whether a candidate lets fewer defects pass than the best, by more than chance explains: an exact sign test on
    those that one of the two finds and the other lets pass.

    own, best: whether each frame passes, in the same order. others: as in `behind`.
    """
    caught, lost = (sum(a and not b for a, b in zip(*pair, strict=True)) for pair in ((best, own), (own, best)))
    return float(binom.sf(caught - 1, caught + lost, 0.5)) <= (1 - CONFIDENCE) / 2 / others


def _above(scores: Scores) -> NDArray[np.float64]:
    """Whether each defective frame scores above each good one, ties by half: float64 (m, n)."""
    defect, good = scores.defect[:, None], scores.good
    return np.asarray((defect > good) + 0.5 * (defect == good), np.float64)
