"""Light that changes on the line where the samples show only one: they are banked darker and brighter as well.

This augments the bank; nothing is trained on it. Grey levels are multiplied and clipped, as by exposure or a lamp.
"""

import math
from typing import Final

import numpy as np

from inspector.types import UInt8Image

STEP: Final = 0.15
"""Neighbouring lights differ by at most this share of the samples' own."""


def factors(light: float) -> tuple[float, ...]:
    """The factors that a sample is banked with, between 1 - light and 1 + light; the first is 1, its own light."""
    steps = math.ceil(light / STEP - 1e-9)
    away = [light * number / steps for number in range(1, steps + 1)]
    return (1.0, *(1 - each for each in away), *(1 + each for each in away))


def any_light(light: float, rng: np.random.Generator) -> float:
    """The factor of a random light of the line, uniform between 1 - light and 1 + light."""
    return float(rng.uniform(1 - light, 1 + light))


def lit(picture: UInt8Image, factor: float) -> UInt8Image:
    """The picture with its levels times a factor; itself where that is 1."""
    if factor == 1:
        return picture
    levels = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)
    changed: UInt8Image = levels[picture]
    return changed
