"""Augmentation: light and places that parts may be in on the line, where the samples show only one of each.

Samples are banked darker and brighter, and moved; nothing is trained on them. Grey levels are multiplied and clipped,
as by exposure or a lamp. What comes in at the border of a moved sample is what the frame really shows there: a made-up
border is an anomaly, and mends nothing.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from inspector.errors import FrameSizeError
from inspector.patches import picture_of, view_of
from inspector.recipe import Recipe
from inspector.types import Frame, UInt8Image
from inspector.window import View, picture_wh, window_of

LIGHT_STEP: Final = 0.15
"""Neighbouring lights differ by at most this share of the samples' own."""

PLACES: Final = 8
"""In how many further places each sample is banked where parts may lie off."""

_QUADRANTS: Final = ((1, 1), (-1, -1), (1, -1), (-1, 1))


Place = tuple[float, float]
"""How far to the right and down a sample is moved, as shares of the width and height of the crop or whole frame."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How a sample is changed. light: factor of its levels. shift_xy: its place."""

    light: float = 1.0
    shift_xy: Place = (0.0, 0.0)


AS_IT_IS: Final = Augmentation()


def lights(light: float) -> tuple[float, ...]:
    """The factors that a sample is banked with, between 1 - light and 1 + light; the first is 1, its own light."""
    steps = math.ceil(light / LIGHT_STEP - 1e-9)
    away = [light * number / steps for number in range(1, steps + 1)]
    return (1.0, *(1 - each for each in away), *(1 + each for each in away))


def places(shift: float, rng: np.random.Generator) -> tuple[Place, ...]:
    """The moves that a sample is also banked with: PLACES random ones, at most `shift` to each side, evenly spread over
    the quadrants; none where that is 0. Together the samples lie everywhere, which places on a grid would not.
    """
    if shift == 0:
        return ()
    away = rng.uniform(0, shift, (PLACES, 2)) * np.resize(_QUADRANTS, (PLACES, 2))
    return tuple((float(right), float(down)) for right, down in away)


def count(recipe: Recipe) -> int:
    """How many pictures of each sample are banked."""
    return len(lights(recipe.light)) + (PLACES if recipe.shift else 0)


def placed(frame: Frame, recipe: Recipe) -> Iterator[tuple[UInt8Image, Place]]:
    """What is banked of a sample: first as it is, then in other lights, then in other places, not both at once; each
    uint8 (height, width, 3) RGB, and its place. The same frame is always moved alike.

    Raises:
        FrameSizeError: the frame does not fit the recipe, or leaves no room for a move.
    """
    rng = np.random.default_rng(zlib.crc32(frame.pixels.tobytes()))
    yield from in_lights(picture_of(frame, recipe)[0], recipe)
    for place in places(recipe.shift, rng):
        yield augmented(frame, recipe, Augmentation(shift_xy=place)), place


def in_lights(picture: UInt8Image, recipe: Recipe) -> Iterator[tuple[UInt8Image, Place]]:
    """What the backbone sees of a sample, in each light that it is banked in, first as it is; all where it lies."""
    for light in lights(recipe.light):
        yield lit(picture, light), AS_IT_IS.shift_xy


def moved_by(place: Place, recipe: Recipe, grid_hw: tuple[int, int]) -> tuple[int, int]:
    """How many rows down and columns to the right of the grid of patches a picture in that place is moved."""
    (right, down), (wide, high), (width, height) = place, recipe.size_wh, picture_wh(recipe)
    return round(down * high * grid_hw[0] / height), round(right * wide * grid_hw[1] / width)


def any_augmentation(recipe: Recipe, rng: np.random.Generator) -> Augmentation:
    """A random light and place that frames of the line may be in, uniform within the recipe's bounds."""
    light = float(rng.uniform(1 - recipe.light, 1 + recipe.light))
    right, down = rng.uniform(-recipe.shift, recipe.shift, 2)
    return Augmentation(light, (float(right), float(down)))


def augmented(frame: Frame, recipe: Recipe, augmentation: Augmentation) -> UInt8Image:
    """What the backbone sees of the frame: uint8 (height, width, 3) RGB of the size that `picture_wh` names.

    Raises:
        FrameSizeError: the frame does not fit the recipe, or leaves no room for the move.
    """
    if any(augmentation.shift_xy):
        frame = _moved(frame, recipe, augmentation.shift_xy)
    return lit(picture_of(frame, recipe)[0], augmentation.light)


def check_room(frame: Frame, recipe: Recipe) -> None:
    """Raises FrameSizeError: the frame leaves no room to move what the recipe looks at as far as its shift says."""
    view, (across, down) = _looked_at(frame, recipe), _pixels(frame, recipe, (recipe.shift, recipe.shift))
    width, height = frame.size_wh
    room_x, room_y = min(view.x, width - view.x - view.width), min(view.y, height - view.y - view.height)
    if room_x < across or room_y < down:
        raise FrameSizeError(
            f"frame: got {room_x} pixels beside and {room_y} above or below what recipe {recipe.name!r} looks at, "
            f"expected {across} and {down} for its shift of {recipe.shift:g}; make the crop or the region of interest "
            "smaller, or shift less"
        )


def lit(picture: UInt8Image, factor: float) -> UInt8Image:
    """The picture with its levels times a factor; itself where that is 1."""
    if factor == 1:
        return picture
    levels = np.clip(np.arange(256) * factor + 0.5, 0, 255).astype(np.uint8)
    changed: UInt8Image = levels[picture]
    return changed


def _moved(frame: Frame, recipe: Recipe, shift_xy: Place) -> Frame:
    check_room(frame, recipe)
    right, down = _pixels(frame, recipe, shift_xy)
    # What leaves the frame on one side comes in on the other, where the recipe does not look: there is room.
    return Frame(np.roll(frame.pixels, (down, right), axis=(0, 1)))


def _pixels(frame: Frame, recipe: Recipe, shift_xy: Place) -> tuple[int, int]:
    view = view_of(frame, recipe)
    return round(shift_xy[0] * view.width), round(shift_xy[1] * view.height)


def _looked_at(frame: Frame, recipe: Recipe) -> View:
    window = window_of(recipe)
    return window.view if window else view_of(frame, recipe)
