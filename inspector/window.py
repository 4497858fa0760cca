"""Which rectangle of the frame the backbone sees, and which part of it counts.

With a region of interest, whole rows and columns of patches may be unused: the picture is cut to the rest, at the
same scale, so that they cost nothing. Whatever else lies outside is covered, before the backbone sees it, by the mirror
image of what lies inside: a patch sees its surroundings, and what is outside must not reach it through them; unless the
region says that they may be seen.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.errors import RecipeError
from inspector.recipe import Crop, Recipe
from inspector.roi import Roi
from inspector.types import Float32Array, UInt8Image

STEP = 16
"""A window's edges lie on multiples of so many pixels of the picture: its patches lie where they would without it."""

NARROWEST = 32
"""The least width and height of a window, pixels of the picture."""

HALF = 0.5 - 1e-4
"""A patch, or a pixel, counts where at least half of its cell lies inside; less a margin for rounding."""


T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class View:
    """A rectangle of the frame, in pixels of the original frame."""

    x: int
    y: int
    width: int
    height: int

    def cut(self, pixels: NDArray[T]) -> NDArray[T]:
        """This rectangle of an array of the frame's size, (height, width, ...); a view, not a copy."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The part of a recipe's picture that a region of interest leaves, and what of it counts.

    view: what it shows of the frame. x, y: its place in the picture of the recipe's size. size_wh: its own size there.
    share: float32 (height, width), how much of each of its pixels lies inside. visible: bool (height, width), pixels to
    which nothing outside contributes. mirrored: int16 (height, width, 2), for each pixel the x and y of the visible one
    that is shown there: itself, or its mirror image; None where surroundings are seen. counts: bool (height, width) of
    the recipe's size, True inside.
    """

    view: View
    x: int
    y: int
    size_wh: tuple[int, int]
    share: Float32Array
    visible: NDArray[np.bool_]
    mirrored: NDArray[np.int16] | None
    counts: NDArray[np.bool_]

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns in the picture of the recipe's size."""
        width, height = self.size_wh
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    def cover(self, picture: UInt8Image) -> UInt8Image:
        """The window's picture, uint8 (height, width, 3), contiguous, covered where nothing outside may show."""
        if self.mirrored is None:
            return np.ascontiguousarray(picture)
        nothing = np.empty(0, np.uint16)
        return np.asarray(cv2.remap(picture, self.mirrored, nothing, cv2.INTER_NEAREST), np.uint8)

    def spread(self, heat: Float32Array) -> Float32Array:
        """The window's anomaly map, float32 (height, width), in one of the recipe's size that is zero outside."""
        whole = np.zeros(self.counts.shape, np.float32)
        whole[self.place] = heat * self.counts[self.place]
        return whole


def window_of(recipe: Recipe) -> Window | None:
    """The window of the recipe's region of interest; None without one.

    Raises:
        RecipeError: the region is thinner than a pixel of the picture that the backbone sees.
    """
    return None if recipe.roi is None else _window(recipe.roi, recipe.crop, recipe.size_wh)


def picture_wh(recipe: Recipe) -> tuple[int, int]:
    """Width and height of the picture that the backbone sees: the recipe's size, or its window's."""
    window = window_of(recipe)
    return window.size_wh if window else recipe.size_wh


def inside_of(recipe: Recipe, grid_hw: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Which patches of the grid count, bool (grid_h, grid_w): those whose cells lie inside by half or more.

    None where there is no region of interest, so that all count.

    Raises:
        RecipeError: none counts, as the region is thinner than patches are.
    """
    window = window_of(recipe)
    if window is None:
        return None
    rows, columns = grid_hw
    counts = np.asarray(cv2.resize(window.share, (columns, rows), interpolation=cv2.INTER_AREA) >= HALF)
    if not counts.any():
        across, down = window.view.width / columns, window.view.height / rows
        raise RecipeError(
            f"recipe {recipe.name!r}: roi is thinner than any patch, which is {across:.0f}x{down:.0f} pixels of the "
            "frame; draw it larger, or take a larger size_wh"
        )
    return counts


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a region of interest leaves.

    share: of the crop or whole frame, 0..1. patches: how many count. of: how many there would be without the region.
    picture_wh: width and height of what the backbone sees, pixels.
    """

    share: float
    patches: int
    of: int
    picture_wh: tuple[int, int]

    def __str__(self) -> str:
        width, height = self.picture_wh
        return f"{self.share:.1%} of the picture, {self.patches:,} of {self.of:,} patches; cut to {width}x{height}"


def extent_of(recipe: Recipe, grid_hw: tuple[int, int]) -> Extent | None:
    """How much the recipe's region of interest leaves, with a grid of patches over its window; None without one."""
    window, inside = window_of(recipe), inside_of(recipe, grid_hw)
    if window is None or inside is None:
        return None
    (width, height), (whole_width, whole_height) = window.size_wh, recipe.size_wh
    rows, columns = round(grid_hw[0] * whole_height / height), round(grid_hw[1] * whole_width / width)
    return Extent(float(window.counts.mean()), int(inside.sum()), rows * columns, window.size_wh)


def view_counts(recipe: Recipe, size_wh: tuple[int, int]) -> NDArray[np.bool_] | None:
    """What counts of the crop or whole frame, drawn at a size: bool (height, width); None where all of it does."""
    if recipe.roi is None:
        return None
    whole = _whole(recipe.roi, recipe.crop)
    return _share(whole.cut(recipe.roi.inside()), size_wh) >= HALF


def frame_counts(recipe: Recipe) -> NDArray[np.bool_] | None:
    """What counts of the whole frame, crop and region of interest together: bool (height, width) of the frame's size.

    None where there is no region of interest.
    """
    if recipe.roi is None:
        return None
    inside = recipe.roi.inside()
    counts = np.zeros_like(inside)
    whole = _whole(recipe.roi, recipe.crop)
    whole.cut(counts)[:] = whole.cut(inside)
    return counts


@lru_cache(maxsize=64)
def _window(roi: Roi, crop: Crop | None, size_wh: tuple[int, int]) -> Window:
    whole = _whole(roi, crop)
    inside = whole.cut(roi.inside())
    columns, rows = np.flatnonzero(inside.any(0)), np.flatnonzero(inside.any(1))
    left, right, x, x_end = _span(int(columns[0]), int(columns[-1]) + 1, whole.width, size_wh[0])
    top, bottom, y, y_end = _span(int(rows[0]), int(rows[-1]) + 1, whole.height, size_wh[1])
    seen = inside[top:bottom, left:right]
    own_wh = x_end - x, y_end - y
    visible = ~_touched(~seen, own_wh)
    if not visible.any():
        raise RecipeError(
            f"recipe: roi is thinner than a pixel of the picture that the backbone sees, {own_wh[0]}x{own_wh[1]} for "
            f"{right - left}x{bottom - top} of the frame; draw it larger, or take a larger size_wh"
        )
    return Window(
        view=View(whole.x + left, whole.y + top, right - left, bottom - top),
        x=x,
        y=y,
        size_wh=own_wh,
        share=_share(seen, own_wh),
        visible=visible,
        mirrored=_mirrored(visible) if roi.surroundings == "covered" else None,
        counts=_share(inside, size_wh) >= HALF,
    )


def _whole(roi: Roi, crop: Crop | None) -> View:
    return View(crop.x, crop.y, crop.width, crop.height) if crop else View(0, 0, *roi.frame_wh)


def _span(first: int, end: int, length: int, side: int) -> tuple[int, int, int, int]:
    """Along one axis: where a window that holds first..end begins and ends, in the frame's pixels and the picture's.

    length: of the view, in the frame's pixels. side: of the recipe's picture.
    """
    scale = length / side
    low = int(first / scale) // STEP * STEP
    high = min(side, -(-int(np.ceil(end / scale)) // STEP) * STEP)
    low = max(0, min(low, high - NARROWEST))
    high = min(side, max(high, low + NARROWEST))
    return round(low * scale), round(high * scale), low, high


def _share(inside: NDArray[np.bool_], size_wh: tuple[int, int]) -> Float32Array:
    """How much of each pixel lies inside when a mask, bool (h, w), is drawn at another size: float32, 0..1."""
    height, width = inside.shape
    shrunk_wh = min(width, size_wh[0]), min(height, size_wh[1])
    shrunk = cv2.resize(inside.astype(np.float32), shrunk_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, size_wh, interpolation=cv2.INTER_LINEAR), np.float32)


def _touched(outside: NDArray[np.bool_], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """To which pixels of a picture of another size anything that is True contributes, bool (height, width)."""
    height, width = outside.shape
    total = cv2.integral(outside.astype(np.uint8))
    left, right = _sources(width, size_wh[0])
    top, bottom = _sources(height, size_wh[1])
    among = total[bottom][:, right] - total[top][:, right] - total[bottom][:, left] + total[top][:, left]
    return np.asarray(among > 0)


def _mirrored(visible: NDArray[np.bool_]) -> NDArray[np.int16]:
    """For each pixel x and y of the visible one that is shown there, int16 (height, width, 2).

    A hidden pixel shows its mirror image at the nearest visible one, or that one where the image is hidden too.
    """
    hidden = (~visible).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    place_of = np.zeros((int(labels.max()) + 1, 2), np.int64)
    place_of[labels[visible]] = np.argwhere(visible)
    nearest, own = place_of[labels], np.moveaxis(np.indices(visible.shape), 0, -1)
    image = 2 * nearest - own
    within = np.clip(image, 0, np.array(visible.shape) - 1)
    sound = (image == within).all(-1) & visible[within[..., 0], within[..., 1]]
    return np.ascontiguousarray(np.where(sound[..., None], image, nearest)[..., ::-1]).astype(np.int16)


def _sources(length: int, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of `length` values make each of `side` when they are averaged or interpolated: first, and past the last."""
    scale, place = length / side, np.arange(side)
    if scale >= 1:
        first, past = np.floor(place * scale + 1e-6), np.ceil((place + 1) * scale - 1e-6)
    else:
        first = np.floor((place + 0.5) * scale - 0.5)
        past = first + 2
    return np.clip(first, 0, length).astype(np.int64), np.clip(past, 0, length).astype(np.int64)
