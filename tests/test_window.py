"""What a region of interest leaves of the picture: rows and columns that fall away, paint, patches that count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import smooth_picture

from inspector.errors import FrameSizeError, RecipeError
from inspector.patches import picture_of, view_of
from inspector.recipe import Crop, Recipe
from inspector.roi import Roi
from inspector.scoring import NearestNeighbours, anomaly_map, image_score, smooth
from inspector.types import Frame
from inspector.window import View, extent_of, frame_counts, inside_of, picture_wh, view_counts, window_of


def box(frame_wh: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> Roi:
    """All of x0 <= x < x1, y0 <= y < y1."""
    corners = [[x0, y0], [x1 - 1, y0], [x1 - 1, y1 - 1], [x0, y1 - 1]]
    return Roi.model_validate({"frame_wh": frame_wh, "include": [corners]})


def test_without_a_region_all_of_the_picture_is_seen() -> None:
    recipe = Recipe(size_wh=(64, 48))
    assert window_of(recipe) is inside_of(recipe, (6, 8)) is view_counts(recipe, (10, 10)) is None
    assert frame_counts(recipe) is None
    assert extent_of(recipe, (6, 8)) is None
    assert picture_wh(recipe) == (64, 48)


def test_whole_columns_and_rows_fall_away() -> None:
    recipe = Recipe(size_wh=(256, 256), roi=box((512, 512), 256, 64, 384, 512))
    window = window_of(recipe)
    assert window is not None
    assert (window.view, window.x, window.y) == (View(256, 64, 128, 448), 128, 32)
    assert picture_wh(recipe) == window.size_wh == (64, 224)
    assert window.visible.all()
    assert inside_of(recipe, (28, 8)).all()  # type: ignore[union-attr]
    extent = extent_of(recipe, (28, 8))
    assert extent is not None
    assert (extent.share, extent.patches, extent.of) == (448 * 128 / 512**2, 224, 1024)
    assert str(extent) == "21.9% of the picture, 224 of 1,024 patches; cut to 64x224"


def test_a_box_on_the_grid_is_seen_as_the_crop_would_be() -> None:
    whole = Frame(smooth_picture(512, 512))
    picture, view = picture_of(whole, Recipe(size_wh=(256, 256), roi=box((512, 512), 256, 64, 384, 512)))
    cropped, _ = picture_of(whole, Recipe(size_wh=(64, 224), crop=Crop(x=256, y=64, width=128, height=448)))
    np.testing.assert_array_equal(picture, cropped)
    assert view == View(256, 64, 128, 448)


def test_of_the_whole_frame_counts_what_lies_in_the_region_and_in_the_crop() -> None:
    recipe = Recipe(size_wh=(64, 64), roi=box((96, 80), 10, 20, 60, 70), crop=Crop(x=0, y=0, width=40, height=80))
    expected = np.zeros((80, 96), bool)
    expected[20:70, 10:40] = True
    np.testing.assert_array_equal(frame_counts(recipe), expected)


@settings(deadline=None)
@given(st.data())
def test_nothing_outside_reaches_the_picture(data: st.DataObject) -> None:
    """Whatever the frame, size and region: what lies outside changes no bit of the picture."""
    width, height = data.draw(st.integers(8, 300)), data.draw(st.integers(8, 300))
    size_wh = data.draw(st.integers(32, 140)), data.draw(st.integers(32, 140))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    x0, y0 = data.draw(st.integers(0, width - 4)), data.draw(st.integers(0, height - 4))
    x1, y1 = data.draw(st.integers(x0 + 3, width)), data.draw(st.integers(y0 + 3, height))
    recipe = Recipe(size_wh=size_wh, roi=box((width, height), x0, y0, x1, y1))
    one = rng.integers(0, 256, (height, width, 3), np.uint8)
    other = rng.integers(0, 256, (height, width, 3), np.uint8)
    assert recipe.roi is not None
    inside = recipe.roi.inside()
    other[inside] = one[inside]
    try:
        picture, view = picture_of(Frame(one), recipe)
    except RecipeError:  # thinner than a pixel of the picture
        assert min((x1 - x0) / width * size_wh[0], (y1 - y0) / height * size_wh[1]) < 3
        return
    np.testing.assert_array_equal(picture, picture_of(Frame(other), recipe)[0])
    window = window_of(recipe)
    assert window is not None
    assert picture.shape == (window.size_wh[1], window.size_wh[0], 3)
    assert (view.x <= x0, view.y <= y0, view.x + view.width >= x1, view.y + view.height >= y1) == (True,) * 4
    assert window.mirrored is not None
    assert window.visible[window.mirrored[..., 1], window.mirrored[..., 0]].all()
    assert window.counts.shape == size_wh[::-1]


def test_what_is_well_inside_is_seen_as_without_a_region() -> None:
    whole = Frame(smooth_picture(200, 200))
    triangle = Roi.model_validate({"frame_wh": (200, 200), "include": [[[0, 0], [199, 0], [0, 199]]]})
    recipe = Recipe(size_wh=(96, 96))
    plain, _ = picture_of(whole, recipe)
    picture, _ = picture_of(whole, recipe.model_copy(update={"roi": triangle}))
    rows, columns = np.indices((96, 96))
    np.testing.assert_array_equal(picture[rows + columns < 93], plain[rows + columns < 93])


def test_what_is_outside_is_covered_by_a_mirror() -> None:
    whole = Frame(smooth_picture(96, 96))
    picture, view = picture_of(whole, Recipe(size_wh=(96, 96), roi=box((96, 96), 0, 0, 50, 96)))
    assert view == View(0, 0, 64, 96)
    np.testing.assert_array_equal(picture[:, :50], whole.pixels[:, :50])
    np.testing.assert_array_equal(picture[:, 50:64], whole.pixels[:, 48:34:-1])


def test_surroundings_that_are_seen_lie_around_the_region_as_they_are() -> None:
    whole = Frame(smooth_picture(96, 96))
    region = box((96, 96), 20, 34, 50, 60).model_copy(update={"surroundings": "seen"})
    recipe = Recipe(size_wh=(96, 96), roi=region)
    picture, view = picture_of(whole, recipe)
    assert view == View(16, 32, 48, 32)
    np.testing.assert_array_equal(picture, whole.pixels[32:64, 16:64])
    assert picture.flags.c_contiguous
    without = recipe.model_copy(update={"roi": region.model_copy(update={"surroundings": "covered"})})
    np.testing.assert_array_equal(counted(recipe), counted(without))


def counted(recipe: Recipe) -> np.ndarray:
    """Which pixels of the recipe's size count."""
    window = window_of(recipe)
    assert window is not None
    return window.spread(np.ones(window.size_wh[::-1], np.float32))


def test_a_patch_counts_from_half_inside() -> None:
    recipe = Recipe(size_wh=(64, 64), roi=box((64, 64), 0, 0, 44, 43))  # of patches of 8: 5.5 across, 5.4 down
    inside = inside_of(recipe, (6, 6))
    assert inside is not None
    assert inside[:5].all()
    assert not inside[5].any()


def test_a_pixel_counts_though_a_thin_line_through_its_middle_does_not() -> None:
    line = [[274, 0], [275, 0], [275, 639], [274, 639]]  # of the pixels of ten by ten that begin at 270
    roi = Roi.model_validate({"frame_wh": (640, 640), "exclude": [line]})
    window = window_of(Recipe(size_wh=(64, 64), roi=roi))
    assert window is not None
    assert window.counts.all()


def test_a_region_thinner_than_a_patch() -> None:
    recipe = Recipe(name="wire", size_wh=(64, 64), roi=box((640, 640), 0, 100, 640, 130))
    with pytest.raises(RecipeError, match="'wire': roi is thinner than any patch, which is 80x80 pixels of the frame"):
        inside_of(recipe, (4, 8))
    thinner = Recipe(size_wh=(64, 64), roi=box((640, 640), 0, 100, 640, 103))
    with pytest.raises(RecipeError, match="than a pixel of the picture that the backbone sees, 64x32 for 640x320"):
        picture_wh(thinner)


@pytest.mark.parametrize("size_wh", [(99, 100), (200, 200), (50, 50)])
def test_frames_of_another_size_are_refused_with_both_sizes(size_wh: tuple[int, int]) -> None:
    recipe = Recipe(name="tile", roi=box((100, 100), 10, 10, 60, 60))
    width, height = size_wh
    with pytest.raises(FrameSizeError, match=rf"got {width}x{height} pixels.*'tile' is of frames of 100x100"):
        view_of(Frame(np.zeros((height, width, 3), np.uint8)), recipe)


def test_a_region_in_a_crop() -> None:
    recipe = Recipe(
        size_wh=(64, 64), crop=Crop(x=100, y=50, width=64, height=64), roi=box((300, 200), 80, 60, 132, 100)
    )
    window = window_of(recipe)
    assert window is not None
    assert window.view == View(100, 50, 32, 64)
    assert window.counts[10:50, :32].all()
    assert window.counts.sum() == 40 * 32


def test_smoothing_and_map_know_only_patches_inside() -> None:
    rng = np.random.default_rng(0)
    inside = rng.random((9, 7)) < 0.6
    embeddings, memory = rng.normal(size=(9, 7, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32)
    elsewhere = embeddings.copy()
    elsewhere[~inside] = 1e6
    nearest = NearestNeighbours(memory)
    scores, others = nearest.patch_scores(embeddings, inside), nearest.patch_scores(elsewhere, inside)
    np.testing.assert_array_equal(scores, others)
    assert (scores[~inside] == 0).all()
    heat = anomaly_map(scores, (70, 90), inside)
    assert heat.max() <= image_score(scores)
    assert heat.shape == (90, 70)
    level = np.where(inside, np.float32(3), np.float32(0))
    np.testing.assert_allclose(smooth(level, inside)[inside], 3, rtol=1e-5)
    np.testing.assert_array_equal(smooth(np.where(inside, level, np.float32(-9)), inside), smooth(level, inside))
    flat = anomaly_map(level, (70, 90), inside)
    np.testing.assert_allclose(flat[flat > 0], 3, rtol=1e-5)


def test_with_all_patches_inside_scores_are_those_without_a_region() -> None:
    rng = np.random.default_rng(1)
    embeddings, memory = rng.normal(size=(8, 8, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32)
    nearest, everywhere = NearestNeighbours(memory), np.ones((8, 8), bool)
    np.testing.assert_allclose(nearest.patch_scores(embeddings, everywhere), nearest.patch_scores(embeddings), 1e-5)
