"""From a frame to the picture that the backbone sees, and from the grid of patches back to the frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from inspector.errors import FrameSizeError
from inspector.recipe import Recipe
from inspector.types import Frame, UInt8Image


@dataclass(frozen=True, slots=True)
class View:
    """The rectangle of the frame that was inspected, in pixels of the original frame."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, pixels: UInt8Image) -> UInt8Image:
        """This rectangle of the frame's pixels, uint8 (height, width, 3), not copied."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


def view_of(frame: Frame, recipe: Recipe) -> View:
    """The recipe's crop, or the whole frame.

    Raises:
        FrameSizeError: the frame does not contain the crop, or is too small to hold anything.
    """
    width, height = frame.size_wh
    crop = recipe.crop
    if crop is None:
        if min(width, height) < 8:
            raise FrameSizeError(f"frame: got {width}x{height} pixels, expected at least 8x8")
        return View(0, 0, width, height)
    if crop.x + crop.width > width or crop.y + crop.height > height:
        raise FrameSizeError(
            f"frame: got {width}x{height} pixels, but recipe {recipe.name!r} crops {crop.width}x{crop.height} "
            f"at ({crop.x}, {crop.y}); expected at least {crop.x + crop.width}x{crop.y + crop.height}"
        )
    return View(crop.x, crop.y, crop.width, crop.height)


def picture_of(frame: Frame, recipe: Recipe) -> tuple[UInt8Image, View]:
    """Crop and resize to the recipe's size.

    Shrinking averages (INTER_AREA), so that fine texture does not alias into false patches; enlarging is bilinear.

    Returns:
        uint8 (height, width, 3) RGB at the recipe's size, contiguous; and the rectangle it shows.

    Raises:
        FrameSizeError: the frame does not contain the crop.
    """
    view = view_of(frame, recipe)
    pixels: UInt8Image = view.cut(frame.pixels)
    width, height = recipe.size_wh
    shrunk_wh = min(width, view.width), min(height, view.height)
    if shrunk_wh != (view.width, view.height):
        pixels = np.asarray(cv2.resize(pixels, shrunk_wh, interpolation=cv2.INTER_AREA), np.uint8)
    if shrunk_wh != recipe.size_wh:
        pixels = np.asarray(cv2.resize(pixels, recipe.size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
    return pixels.copy() if not pixels.flags.c_contiguous else pixels, view
