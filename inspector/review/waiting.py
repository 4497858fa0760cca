"""How long frames wait from the verdict to the disposition."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

STEPS: tuple[tuple[str, float], ...] = (
    ("under 1 min", 60),
    ("1 to 5 min", 300),
    ("5 to 15 min", 900),
    ("15 to 60 min", 3600),
    ("1 to 4 h", 4 * 3600),
    ("4 to 8 h", 8 * 3600),
    ("8 to 24 h", 24 * 3600),
    ("over 24 h", math.inf),
)
"""Name and upper bound, seconds."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """frames: decided ones. median_s, p90_s: seconds, None where there are none. steps: name and number of frames."""

    frames: int
    median_s: float | None
    p90_s: float | None
    steps: tuple[tuple[str, int], ...]


def waiting(seconds: Sequence[float]) -> Waiting:
    """From the seconds that each decided frame waited."""
    ordered = sorted(seconds)
    ends = [bisect_left(ordered, bound) for _, bound in STEPS]
    numbers = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    return Waiting(
        len(ordered),
        _quantile(ordered, 0.5),
        _quantile(ordered, 0.9),
        tuple((name, number) for (name, _), number in zip(STEPS, numbers, strict=True)),
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
