"""Light that changes on the line, where the samples show one light: they are banked darker and brighter as well.

An augmentation of the bank, not of training. Levels are multiplied and clipped, as an exposure or a lamp does it.
"""

import math
from typing import Final

import numpy as np

from inspector.types import UInt8Image

STEP: Final = 0.15
"""Neighbouring lights differ by at most this share of the samples' own."""


def factors(light: float) -> tuple[float, ...]:
    """The lights that a sample is banked in, from 1 - light to 1 + light, the sample's own first."""
    steps = math.ceil(light / STEP - 1e-9)
    away = [light * number / steps for number in range(1, steps + 1)]
    return (1.0, *(1 - each for each in away), *(1 + each for each in away))


def any_light(light: float, rng: np.random.Generator) -> float:
    """A light that a frame of the line may be in, as likely as any other between 1 - light and 1 + light."""
    return float(rng.uniform(1 - light, 1 + light))


def lit(picture: UInt8Image, factor: float) -> UInt8Image:
    """The picture with its levels times a factor; itself where that is 1."""
    if factor == 1:
        return picture
    levels = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)
    changed: UInt8Image = levels[picture]
    return changed
