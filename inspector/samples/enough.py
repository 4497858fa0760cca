"""How many good samples a calibration needs."""

import math
from typing import Final

MINIMUM: Final = 4
"""Fewer samples than this cannot be held against one another."""


def samples_needed(max_false_reject: float) -> int:
    """How many normal samples a false-reject budget, 0..1, needs without extrapolation."""
    return math.ceil(1 / max_false_reject - 1e-9) - 1
