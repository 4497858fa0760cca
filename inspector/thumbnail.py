"""Small pictures for people."""

from typing import Final

import cv2
import numpy as np

from inspector.types import UInt8Image

QUALITY: Final = 82
"""Of a small JPEG."""


def fitted(pixels: UInt8Image, most_wh: tuple[int, int]) -> tuple[UInt8Image, float]:
    """Pixels, uint8 (height, width, 3), no wider and higher than `most_wh`, and the scale; none are enlarged."""
    height, width = pixels.shape[:2]
    scale = min(1.0, most_wh[0] / width, most_wh[1] / height)
    if scale == 1:
        return pixels, scale
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA), np.uint8), scale


def jpeg(pixels: UInt8Image, quality: int = QUALITY) -> bytes:
    """A JPEG of uint8 (height, width, 3) RGB."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded[1])
