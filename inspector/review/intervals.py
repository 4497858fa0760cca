"""Rates and how far they can be trusted: the exact interval of Clopper and Pearson (1934).

Of the usual intervals it is the one that never promises more than it holds: whatever the true rate, it covers it at
least as often as it says. False rejects and escapes are rare, and there the shorter interval of Wilson (1927) falls
below its confidence. The price is a somewhat wider interval, which more frames narrow.

The quantiles of the beta distribution that it needs are found here by bisection, so that the review page does not need
scipy; the tests compare them with scipy's.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

CONFIDENCE = 0.95

_BISECTIONS = 80
_MAX_TERMS = 20_000
_TINY = 1e-300
_CLOSE = 1e-14


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `of`, and between which rates the true one lies with 95 % confidence; all rates 0..1.

    low and high may lie further out than those of Clopper and Pearson, where frames that nobody has decided could
    still be on either side.
    """

    count: float
    of: float
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The rate itself; None of nothing."""
        return self.count / self.of if self.of else None

    def to_json(self) -> dict[str, float | None]:
        """Count, of, rate, low, high."""
        return {"count": self.count, "of": self.of, "rate": self.value, "low": self.low, "high": self.high}


def rate(count: int, of: int) -> Rate:
    """A rate with its exact interval; of nothing, it lies between 0 and 1."""
    return Rate(count, of, lower(count, of), upper(count, of))


@lru_cache(4096)
def lower(count: int, of: int, confidence: float = CONFIDENCE) -> float:
    """The lowest true rate with which so many of so many are not too unlikely. 0 <= count <= of."""
    _check(count, of)
    return beta_quantile((1 - confidence) / 2, count, of - count + 1) if count else 0.0


@lru_cache(4096)
def upper(count: int, of: int, confidence: float = CONFIDENCE) -> float:
    """The highest true rate with which so many of so many are not too unlikely. 0 <= count <= of."""
    _check(count, of)
    return beta_quantile((1 + confidence) / 2, count + 1, of - count) if count < of else 1.0


def _check(count: int, of: int) -> None:
    if not 0 <= count <= of:
        raise ValueError(f"rate: got {count} of {of}, expected a count from 0 to the number it is counted of")


def beta_quantile(share: float, a: float, b: float) -> float:
    """The value below which a Beta(a, b) variable lies with probability `share`; a, b > 0, share in (0, 1)."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if beta_cdf(middle, a, b) < share:
            low = middle
        else:
            high = middle
        if high - low <= _CLOSE * high:
            break
    return (low + high) / 2


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b); x in [0, 1]."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side of the mean
        return 1.0 - math.exp(log_front) * _fraction(1 - x, b, a) / b
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b) (DLMF 8.17.22), by Lentz's method."""

    def coefficient(term: int) -> float:
        half, odd = divmod(term, 2)
        if odd:
            return -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        return half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))

    return _lentz(coefficient)


def _lentz(coefficient: Callable[[int], float]) -> float:
    """1 / (1 + c1 / (1 + c2 / (1 + …))), c from `coefficient`."""
    value, front, back = 1.0, 1.0, 0.0
    for term in range(1, _MAX_TERMS):
        c = coefficient(term)
        back = 1.0 / ((1.0 + c * back) or _TINY)
        front = (1.0 + c / front) or _TINY
        step = front * back
        value *= step
        if abs(step - 1.0) < _CLOSE:
            break
    return 1.0 / value
