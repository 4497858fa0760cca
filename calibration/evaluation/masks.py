"""Masks of defects, as people draw them: which pixels of a frame are defective."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.evaluation.areas import Areas
from inspector.recipe import Recipe
from inspector.transparency import hidden_in

Levels = NDArray[np.uint8] | NDArray[np.uint16]

_FEW: Final = 16
"""Levels that make up nearly all of a mask, and not of a photograph: there, up to 0.77 were seen on five data sets."""

_NEARLY_ALL: Final = 0.9


def levels_of(mask: Path) -> Levels | None:
    """The highest level of any channel, as masks may be drawn in colour: uint8 or uint16 (height, width).

    0 where a PNG is wholly transparent, whatever colour lies behind. None where the mask does not decode.

    OpenCV is given bytes: of a name that is no text it cannot make a path.
    """
    try:
        payload = mask.read_bytes()
        channels = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (OSError, cv2.error):
        return None
    if channels is None or channels.dtype not in (np.uint8, np.uint16):
        return None
    levels: Levels = channels.max(2)
    hidden = hidden_in(payload)
    if hidden is not None and hidden.shape == levels.shape:
        levels[hidden] = 0
    return levels


def is_drawn(levels: Levels) -> bool:
    """Whether it may be a mask, uint8 or uint16 (height, width): a photograph has many levels."""
    counts = np.sort(np.bincount(levels.ravel()))
    return bool(counts[-_FEW:].sum() >= _NEARLY_ALL * levels.size)


def white_of(levels: Levels) -> NDArray[np.bool_]:
    """Which pixels of a mask, uint8 or uint16 (height, width), are white: bool (height, width).

    Those above half of the range; where none is, levels are numbers of defects, and all but 0 are.
    """
    half = np.iinfo(levels.dtype).max // 2
    return np.asarray(levels > (half if levels.max() > half else 0))


def united(masks: Sequence[Path], size_wh: tuple[int, int]) -> tuple[NDArray[np.bool_] | None, str | None]:
    """What is white in any of a frame's masks: bool (height, width) of the frame's size.

    Returns:
        None, with what is wrong, where one does not fit the frame, or nothing is white in any.
    """
    white = np.zeros(size_wh[::-1], bool)
    for mask in masks:
        if (levels := levels_of(mask)) is None:
            return None, f"{_named(mask, masks)}: the mask does not decode"
        if levels.shape != white.shape:
            got, expected = f"{levels.shape[1]}x{levels.shape[0]}", "{}x{}".format(*size_wh)
            return None, f"{_named(mask, masks)}: the mask is {got}, its frame {expected}"
        white |= white_of(levels)
    if not white.any():
        return None, f"{_named(masks[0], masks)}: no pixel of it is white"
    return white, None


def areas_in(white: NDArray[np.bool_], recipe: Recipe, size_wh: tuple[int, int]) -> Areas:
    """The defective areas of a mask of the frame, bool (height, width), in what the recipe's crop leaves of it.

    size_wh: of the anomaly map.
    """
    crop = recipe.crop
    if crop:
        white = white[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    return Areas.of(white, size_wh)


def _named(mask: Path, masks: Sequence[Path]) -> str:
    """Its path from the folder of its defect on; of several, in a folder of their own, one more."""
    return "/".join(mask.parts[-2 - (len(masks) > 1) :])
