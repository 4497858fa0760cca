"""Thresholds from normal samples alone, and what they promise.

Cross-fitted scores of n normal samples are exchangeable with the score of the next normal frame. So a threshold at the
ceil((n + 1)(1 - a))-th smallest is exceeded by a normal frame with probability at most a (split conformal prediction:
Vovk et al. 2005; cross-fitting makes it approximate: Barber et al. 2021), and given these samples the rate itself is
Beta(n + 1 - rank, rank). Where n is too small for the budget, the largest score is as far as the promise reaches;
beyond it an exponential tail is fitted to the highest scores (peaks over threshold, Pickands 1975) and marked as an
estimate.
"""

import math
from dataclasses import dataclass

import numpy as np

from inspector.manifest import Promise
from inspector.review.intervals import beta_quantile
from inspector.samples.enough import samples_needed
from inspector.types import Float32Array

CONFIDENCE = 0.90
"""Of the interval that a promise gives for the true rate."""

TAIL_SHARE, TAIL_MINIMUM = 0.1, 4
"""The tail is fitted to this share of the scores, and to at least so many."""


@dataclass(frozen=True, slots=True)
class Limits:
    """ok: the highest score that samples vouch for. ng: frames above it are rejected; above ok where extrapolated."""

    ok: float
    ng: float
    promise: Promise


def limits(scores: Float32Array, max_false_reject: float) -> Limits:
    """Thresholds for cross-fitted scores of normal samples, float (n,), and a false-reject budget in (0, 1)."""
    ordered = np.sort(scores.astype(np.float64))
    n = len(ordered)
    estimated = n < samples_needed(max_false_reject)
    rank = n if estimated else min(n, math.ceil((n + 1) * (1 - max_false_reject) - 1e-9))
    ok = float(ordered[rank - 1])
    ng = max(ok, _extrapolate(ordered, max_false_reject)) if estimated else ok
    expected = max_false_reject if estimated else (n + 1 - rank) / (n + 1)
    return Limits(ok, ng, _promise(n - rank, n, max_false_reject, estimated, expected))


def promise_of(scores: Float32Array, ng: float, max_false_reject: float) -> Promise:
    """What a given threshold `ng` promises.

    scores: float (n,), cross-fitted scores of normal samples. The expected rate counts the next frame in:
    (1 + samples above ng) / (1 + n).
    """
    n, above = len(scores), int((scores > ng).sum())
    estimated = above == 0 and n < samples_needed(max_false_reject)
    return _promise(above, n, max_false_reject, estimated, (above + 1) / (n + 1))


def _promise(above: int, n: int, max_false_reject: float, estimated: bool, expected: float) -> Promise:
    """Of a threshold that so many of n samples score above; of one that is estimated, no lower end of the interval."""
    tail = (1 - CONFIDENCE) / 2
    if above == n:
        interval = 0.0, 1.0
    elif estimated:
        interval = 0.0, beta_quantile(CONFIDENCE, above + 1, n - above)
    else:
        interval = beta_quantile(tail, above + 1, n - above), beta_quantile(1 - tail, above + 1, n - above)
    return Promise(
        max_false_reject=max_false_reject,
        expected_false_reject=expected,
        interval=interval,
        estimated=estimated,
        samples=n,
        samples_needed=samples_needed(max_false_reject),
    )


def _extrapolate(ordered: np.ndarray, rate: float) -> float:
    """The score that a share `rate` exceeds if the tail is exponential beyond the highest few scores."""
    count = min(len(ordered) - 1, max(TAIL_MINIMUM, round(TAIL_SHARE * len(ordered))))
    start = ordered[-count - 1]
    scale = float(np.mean(ordered[-count:] - start))
    return float(start + scale * math.log(count / len(ordered) / rate))
