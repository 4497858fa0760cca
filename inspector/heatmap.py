"""The anomaly map as a picture: transparent where normal, from violet over red to yellow the more anomalous."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.types import Float32Array, UInt8Image

SPAN = (0.6, 1.4)
"""Where the colour scale begins and ends, in pixel thresholds: normal patches lie below, plain defects above."""

DRAWN = np.empty((0, 0), np.float32)
"""Stands for an anomaly map that is a picture by now, or that nobody needs: many kept ones would fill the memory."""

DIMMED = 0.4
"""Brightness, as a share of its own, of the part of a picture that does not count."""

BORDER = (86, 180, 233)
"""Sky blue (Okabe and Ito, 2008), which neither the anomaly map nor a mask's outline has."""

_BAND = 64
"""Rows of a picture that are drawn over at a time: as numbers that are no integers, all of a large one fill the memory.
"""


def colour(anomaly_map: Float32Array, pixel_threshold: float) -> UInt8Image:
    """float32 (height, width) -> uint8 (height, width, 4) RGBA: transparent below SPAN, opaque yellow at its end.

    The threshold lies in the middle of the palette, plasma, whose lightness rises evenly for every eye. There it is a
    red that no metal has: with a grey one, as cividis has in its middle, what is just above the threshold is not seen.
    """
    low, high = SPAN
    level = np.clip((anomaly_map / max(pixel_threshold, 1e-9) - low) / (high - low), 0, 1)
    palette = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_PLASMA)
    opacity = np.clip(level * 1.5, 0, 1) ** 3 * 200
    rgba: UInt8Image = np.dstack([palette[..., ::-1], opacity.astype(np.uint8)])
    return rgba


def render_png(anomaly_map: Float32Array, pixel_threshold: float) -> bytes:
    """The coloured map as a PNG with transparency, at the map's size."""
    rgba = colour(anomaly_map, pixel_threshold)
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1])


def overlay(pixels: UInt8Image, anomaly_map: Float32Array, pixel_threshold: float) -> UInt8Image:
    """The map over the picture it was made of: uint8 (height, width, 3) RGB, at the picture's size."""
    height, width = pixels.shape[:2]
    rgba = cv2.resize(colour(anomaly_map, pixel_threshold), (width, height), interpolation=cv2.INTER_LINEAR)
    over = np.empty_like(pixels)
    for top in range(0, height, _BAND):
        band = slice(top, top + _BAND)
        opacity = rgba[band, :, 3:].astype(np.float32) / 255
        over[band] = np.rint(pixels[band] * (1 - opacity) + rgba[band, :, :3] * opacity).astype(np.uint8)
    return over


def shade(pixels: UInt8Image, counts: NDArray[np.bool_] | None) -> UInt8Image:
    """A picture, uint8 (height, width, 3) RGB, grey and dim where it does not count, with a line along the border.

    counts: bool (height, width); None: all of it counts, and the picture is returned as it is.
    """
    if counts is None:
        return pixels
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    dim = np.repeat((grey * DIMMED).astype(np.uint8)[..., None], 3, 2)
    shaded = np.where(counts[..., None], pixels, dim)
    shaded[border(counts)] = BORDER
    return shaded


def border(counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The line between what counts and what does not, bool (height, width), wide enough to be seen at that size."""
    outlines, _ = cv2.findContours(counts.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    line = np.zeros(counts.shape, np.uint8)
    cv2.drawContours(line, outlines, -1, 1, max(1, round(max(counts.shape) / 400)))
    return line.astype(bool)
