"""Why a frame was flagged: its most anomalous patches, and for each the nearest patches of the bank."""

from dataclasses import dataclass

import numpy as np

from inspector.types import Float32Array
from inspector.window import View

APART = 4
"""Rows or columns between two patches that are shown, at least: neighbours tell the same story."""

SHOWN, NEAREST = 3, 3
"""How many of the highest patches are shown at most, and how many patches of the bank beside each."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A patch of the bank. sample: index into the manifest's samples; row, column: in the bank's grid."""

    sample: int
    row: int
    column: int
    distance: float


@dataclass(frozen=True, slots=True)
class FlaggedPatch:
    """A patch of the frame. score: smoothed, as the image score is made of. neighbours: the nearest first."""

    row: int
    column: int
    score: float
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """anomaly_map: float32 (height, width) over `view`, the inspected rectangle of a frame of `size_wh` pixels.

    patches: the most anomalous first, at least one. grid_hw: rows and columns of patches over the view.
    """

    score: float
    anomaly_map: Float32Array
    view: View
    size_wh: tuple[int, int]
    grid_hw: tuple[int, int]
    patches: tuple[FlaggedPatch, ...]


def flagged_patches(patch_scores: Float32Array, threshold: float, most: int) -> list[tuple[int, int]]:
    """Rows and columns of the highest local scores above `threshold`; the highest of all in any case.

    patch_scores: float32 (grid_h, grid_w). Ties go to the first in reading order.
    """
    left = patch_scores.astype(np.float64)
    found: list[tuple[int, int]] = []
    while len(found) < most:
        row, column = (int(i) for i in np.unravel_index(int(left.argmax()), left.shape))
        if left[row, column] == -np.inf or (found and left[row, column] <= threshold):
            break
        found.append((row, column))
        left[max(0, row - APART) : row + APART + 1, max(0, column - APART) : column + APART + 1] = -np.inf
    return found
