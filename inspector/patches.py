"""From a frame to the picture that the backbone sees, and from the grid of patches back to the frame."""

import cv2
import numpy as np

from inspector.errors import FrameSizeError
from inspector.recipe import Recipe
from inspector.types import Frame, UInt8Image
from inspector.window import View, window_of


def view_of(frame: Frame, recipe: Recipe) -> View:
    """The recipe's crop, or the whole frame.

    Raises:
        FrameSizeError: the frame does not contain the crop, is too small to hold anything, or is not of the size that
            the region of interest was drawn on.
    """
    width, height = frame.size_wh
    if recipe.roi and recipe.roi.frame_wh != frame.size_wh:
        expected = "{}x{}".format(*recipe.roi.frame_wh)
        raise FrameSizeError(
            f"frame: got {width}x{height} pixels, but the region of interest of recipe {recipe.name!r} is of frames of "
            f"{expected}; expected such a frame, or a region drawn on one of {width}x{height}"
        )
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
    """What the backbone sees: cut to the crop and to the region of interest, resized, covered outside the region.

    Returns:
        uint8 (height, width, 3) RGB of the size that `picture_wh` names, contiguous; and the rectangle it shows.

    Raises:
        FrameSizeError: the frame does not fit the recipe.
    """
    view, window = view_of(frame, recipe), window_of(recipe)
    if window is None:
        pixels = _resized(view.cut(frame.pixels), recipe.size_wh)
        return (pixels if pixels.flags.c_contiguous else pixels.copy()), view
    return window.cover(_resized(window.view.cut(frame.pixels), window.size_wh)), window.view


def _resized(pixels: UInt8Image, size_wh: tuple[int, int]) -> UInt8Image:
    """Shrinking averages, so that fine texture does not alias into false patches; enlarging is bilinear."""
    height, width = pixels.shape[:2]
    shrunk_wh = min(width, size_wh[0]), min(height, size_wh[1])
    if shrunk_wh != (width, height):
        pixels = np.asarray(cv2.resize(pixels, shrunk_wh, interpolation=cv2.INTER_AREA), np.uint8)
    if shrunk_wh != size_wh:
        pixels = np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_LINEAR), np.uint8)
    return pixels
