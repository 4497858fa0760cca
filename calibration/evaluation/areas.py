"""Defective areas of a frame, and how much of each lies in which pixel of its anomaly map.

Areas are those of the mask at its own size, not of a mask that was shrunk to the map's: shrinking loses the small ones
and joins neighbours. Each pixel of the mask belongs to the one pixel of the map that its centre lies in, so figures are
those of the full size, at the cost of the map's.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_BAND = 4_000_000
"""Pixels of a mask that are sorted at a time, which bounds what a very large one takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """The connected defective areas of a frame.

    defective: float64 (height, width) of the map's size, which share of each of its pixels is defective, 0..1.
    area, pixel, share: (n,), part by part: int64, its area's number from 0; int64, its pixel in the flattened map;
    float64, how much of the area it is. An area's parts add up to 1.
    """

    defective: NDArray[np.float64]
    area: NDArray[np.int64]
    pixel: NDArray[np.int64]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, white: NDArray[np.bool_], size_wh: tuple[int, int]) -> "Areas":
        """The areas of a mask, bool (height, width), for a map of what it shows, of any size.

        Pixels that touch at a corner are of one area.
        """
        white = _at_least(white, size_wh)
        labels, down, across, cells = _labelled(white, size_wh)
        width, height = size_wh
        step, keys, counts = max(1, _BAND // max(1, labels.shape[1])), [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for top in range(0, len(labels), step):
            band = labels[top : top + step]
            y, x = np.nonzero(band)
            key, count = np.unique(
                (band[y, x].astype(np.int64) - 1) * (height * width) + down[top + y] * width + across[x],
                return_counts=True,
            )
            keys.append(key)
            counts.append(count)
        area, pixel = np.divmod(np.concatenate(keys), height * width)
        count = np.concatenate(counts)
        defective = np.bincount(pixel, count, height * width).reshape(height, width) / cells
        return cls(defective, area, pixel, count / np.bincount(area, count)[area])

    def any_in(self, counts: NDArray[np.bool_] | None) -> bool:
        """Whether any of them lies in a pixel that counts, bool (height, width); None: all do."""
        return bool((self.defective[counts] if counts is not None else self.defective).any())


def _at_least(white: NDArray[np.bool_], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Of a mask smaller than the map, each pixel as often as the map has it: so every pixel of the map has one."""
    (height, width), (most, high) = white.shape, size_wh
    if height < high:
        white = white[np.arange(high) * height // high]
    return white[:, np.arange(most) * width // most] if width < most else white


def _labelled(
    white: NDArray[np.bool_], size_wh: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The part of a mask that holds all white: the number of each pixel's area, from 1, int32 (h, w); the map's row of
    each of its rows, and column of each of its columns, int64; and how many pixels of the whole mask lie in each pixel
    of the map, int64 (height, width).
    """
    rows, columns = (
        (2 * np.arange(n) + 1) * size // (2 * n) for n, size in zip(white.shape, reversed(size_wh), strict=True)
    )
    cells = np.outer(np.bincount(rows), np.bincount(columns))
    pixels = np.ascontiguousarray(white).view(np.uint8)
    x, y, width, height = cv2.boundingRect(pixels)
    if not width:
        return np.zeros((0, 0), np.int32), rows[:0], columns[:0], cells
    _, labels = cv2.connectedComponents(pixels[y : y + height, x : x + width], connectivity=8)
    return np.asarray(labels, np.int32), rows[y : y + height], columns[x : x + width], cells
