"""From a frame to the picture that the backbone sees."""

import numpy as np
import pytest
from pictures import smooth_picture

from inspector.errors import FrameSizeError
from inspector.patches import picture_of, view_of
from inspector.recipe import Crop, Recipe
from inspector.types import Frame
from inspector.window import View


def frame(height: int, width: int) -> Frame:
    return Frame(smooth_picture(height, width))


def test_without_a_crop_the_whole_frame_is_seen() -> None:
    picture, view = picture_of(frame(100, 200), Recipe(size_wh=(64, 32)))
    assert picture.shape == (32, 64, 3)
    assert picture.dtype == np.uint8
    assert view == View(0, 0, 200, 100)


def test_a_crop_is_cut_before_anything_is_resized() -> None:
    whole = frame(100, 200)
    recipe = Recipe(size_wh=(64, 48), crop=Crop(x=30, y=20, width=64, height=48))
    picture, view = picture_of(whole, recipe)
    np.testing.assert_array_equal(picture, whole.pixels[20:68, 30:94])
    assert view == View(30, 20, 64, 48)
    assert picture.flags.c_contiguous


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    whole = frame(48, 64)
    np.testing.assert_array_equal(picture_of(whole, Recipe(size_wh=(64, 48)))[0], whole.pixels)


def test_shrinking_averages_so_that_fine_texture_does_not_alias() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    picture, _ = picture_of(Frame(stripes), Recipe(size_wh=(64, 64)))
    assert (picture == 100).all()


@pytest.mark.parametrize("size_wh", [(64, 64), (300, 40), (40, 300), (400, 400)])
def test_flat_stays_flat_at_any_size(size_wh: tuple[int, int]) -> None:
    picture, _ = picture_of(Frame(np.full((96, 130, 3), 77, np.uint8)), Recipe(size_wh=size_wh))
    assert picture.shape == (size_wh[1], size_wh[0], 3)
    assert (picture == 77).all()


@pytest.mark.parametrize(("height", "width"), [(67, 94), (68, 93), (10, 10)])
def test_a_frame_smaller_than_the_crop_is_refused_with_both_sizes(height: int, width: int) -> None:
    recipe = Recipe(name="tile", crop=Crop(x=30, y=20, width=64, height=48))
    view_of(frame(68, 94), recipe)
    with pytest.raises(FrameSizeError, match=f"got {width}x{height} pixels.*'tile'.*expected at least 94x68"):
        view_of(frame(height, width), recipe)


@pytest.mark.parametrize(("height", "width"), [(7, 100), (100, 7), (1, 1)])
def test_a_frame_too_small_for_anything(height: int, width: int) -> None:
    with pytest.raises(FrameSizeError, match="expected at least 8x8"):
        view_of(Frame(np.zeros((height, width, 3), np.uint8)), Recipe())
