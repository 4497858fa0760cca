"""The small picture of each sample that a bank carries."""

from typing import Final

import cv2

from inspector import frame as decoder
from inspector.patches import picture_of
from inspector.recipe import Recipe

LONGER_SIDE: Final = 160
"""Pixels."""


def thumbnail(payload: bytes, recipe: Recipe) -> bytes:
    """A small JPEG of what the backbone sees, in the proportions of the frame. Raises FrameError."""
    picture, view = picture_of(decoder.decode(payload), recipe)
    scale = LONGER_SIDE / max(view.width, view.height)
    size = (max(1, round(view.width * scale)), max(1, round(view.height * scale)))
    small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])
