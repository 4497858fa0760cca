"""Distances, anomaly maps, p-values and regions, against what they are by definition."""

import json
import tracemalloc
from importlib import resources

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector import heatmap
from inspector.scoring import MOST_REGIONS, NearestNeighbours, anomaly_map, image_score, p_value, regions, smooth
from inspector.window import View


def brute_force(bank: np.ndarray, embeddings: np.ndarray, k: int) -> np.ndarray:
    rows, columns, dim = embeddings.shape
    apart = np.linalg.norm(embeddings.reshape(-1, 1, dim).astype(float) - bank[None].astype(float), axis=2)
    return np.sort(apart, 1)[:, :k].mean(1).reshape(rows, columns)


@pytest.mark.parametrize("k", [1, 3, 9])
def test_patch_scores_are_smoothed_mean_distances_to_the_k_nearest(k: int) -> None:
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(50, 12)).astype(np.float32)
    embeddings = rng.normal(size=(5, 7, 12)).astype(np.float32)
    got = NearestNeighbours(bank, k).patch_scores(embeddings)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, smooth(brute_force(bank, embeddings, k).astype(np.float32)), rtol=1e-4)


def test_a_search_says_which_vectors_are_nearest() -> None:
    bank = np.eye(4, dtype=np.float32)
    distances, numbers = NearestNeighbours(bank, 2).search(np.array([[0, 0, 3, 1]], np.float32))
    assert numbers.tolist() == [[2, 3]]
    np.testing.assert_allclose(distances, [[np.sqrt(5), 3]], rtol=1e-6)


def test_more_neighbours_than_vectors_are_as_many_as_there_are() -> None:
    bank = np.eye(3, dtype=np.float32)
    assert NearestNeighbours(bank, 10).search(bank)[0].shape == (3, 3)


def test_a_patch_of_the_bank_has_no_distance() -> None:
    bank = np.random.default_rng(1).normal(size=(64, 8)).astype(np.float32)
    scores = NearestNeighbours(bank).patch_scores(bank.reshape(8, 8, 8))
    assert np.isfinite(scores).all()
    assert scores.max() < 1e-2


def test_smoothing_favours_what_spans_several_patches() -> None:
    spike, patch = np.zeros((9, 9), np.float32), np.zeros((9, 9), np.float32)
    spike[4, 4] = 1
    patch[3:6, 3:6] = 1
    assert smooth(spike).max() < 0.5
    assert smooth(patch).max() > 0.8
    assert smooth(spike).sum() == pytest.approx(1, abs=1e-5)


def test_the_image_score_is_the_largest_patch_score() -> None:
    assert image_score(np.array([[1.0, 4.5], [2.0, 3.0]], np.float32)) == 4.5


def test_the_map_peaks_where_the_patch_lies() -> None:
    patch_scores = np.zeros((8, 16), np.float32)
    patch_scores[2, 12] = 10
    heat = anomaly_map(patch_scores, (256, 128))
    assert heat.shape == (128, 256)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert abs(row - 2.5 * 16) <= 2
    assert abs(column - 12.5 * 16) <= 2
    assert 0 < heat.max() <= 10
    assert heat.min() >= 0


def test_a_level_map_stays_level_up_to_its_border() -> None:
    np.testing.assert_allclose(anomaly_map(np.full((4, 4), 3.0, np.float32), (64, 64)), 3, rtol=1e-5)


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=40), st.floats(0, 12, width=32))
def test_the_p_value_is_the_share_of_normals_that_score_as_high(normals: list[float], score: float) -> None:
    expected = (1 + sum(normal >= score for normal in normals)) / (1 + len(normals))
    assert p_value(score, np.sort(np.array(normals, np.float32))) == pytest.approx(expected)


def test_p_values_of_exchangeable_scores_are_valid() -> None:
    """P(p <= a) <= a for a normal sample: brute force over every place that the new score can take."""
    scores = np.random.default_rng(0).normal(size=100).astype(np.float32)
    p_values = [p_value(float(scores[i]), np.sort(np.delete(scores, i))) for i in range(100)]
    for level in (0.01, 0.05, 0.1, 0.5, 0.9):
        assert np.mean(np.array(p_values) <= level) <= level + 1e-9


def test_regions_are_in_pixels_of_the_original_frame() -> None:
    heat = np.zeros((50, 100), np.float32)
    heat[10:15, 20:40] = 2
    heat[12, 30] = 5
    heat[40:44, 80:82] = 3
    found = regions(heat, 1.0, View(x=1000, y=500, width=400, height=100))  # 4 across, 2 down
    assert [(r.x, r.y, r.width, r.height, r.area, r.score) for r in found] == [
        (1080, 520, 80, 10, 800, 5.0),
        (1320, 580, 8, 8, 64, 3.0),
    ]


def test_regions_that_touch_at_a_corner_are_one() -> None:
    heat = np.zeros((10, 10), np.float32)
    heat[2, 2] = heat[3, 3] = 1
    assert len(regions(heat, 0.5, View(0, 0, 10, 10))) == 1


def test_of_very_many_regions_the_highest_are_told() -> None:
    heat = np.zeros((64, 64), np.float32)
    heat[::2, ::2] = np.random.default_rng(0).permutation(np.arange(1, 1025, dtype=np.float32)).reshape(32, 32)
    found = regions(heat, 0.5, View(0, 0, 64, 64))
    assert [region.score for region in found] == list(range(1024, 1024 - MOST_REGIONS, -1))
    schema = json.loads((resources.files("inspector") / "schemas" / "verdict.json").read_text(encoding="utf-8"))
    assert schema["properties"]["regions"]["maxItems"] == MOST_REGIONS


def test_two_regions_in_one_box_keep_their_own_peaks() -> None:
    heat = np.zeros((20, 20), np.float32)
    heat[2:18, 2] = heat[2, 2:18] = 1  # an L
    heat[10, 10] = 7  # inside its box
    assert sorted(r.score for r in regions(heat, 0.5, View(0, 0, 20, 20))) == [1.0, 7.0]


def test_the_threshold_itself_is_no_region() -> None:
    assert regions(np.full((4, 4), 1.0, np.float32), 1.0, View(0, 0, 4, 4)) == ()


@given(st.integers(1, 997), st.integers(1, 997), st.integers(0, 50), st.integers(0, 50))
def test_a_region_never_leaves_the_view(width: int, height: int, x: int, y: int) -> None:
    (whole,) = regions(np.ones((32, 48), np.float32), 0.5, View(x, y, width, height))
    assert (whole.x, whole.y, whole.width, whole.height) == (x, y, width, height)
    assert whole.area == width * height


@pytest.mark.parametrize("threshold", [0.0, 0.7])
def test_heatmaps_are_transparent_where_normal(threshold: float) -> None:
    heat = np.linspace(0, 3, 64, dtype=np.float32).reshape(8, 8)
    rgba = heatmap.colour(heat, threshold)
    assert rgba.shape == (8, 8, 4)
    assert rgba[0, 0, 3] == 0
    assert rgba[-1, -1, 3] == 200
    assert (np.diff(rgba[..., 3].reshape(-1).astype(int)) >= 0).all()
    assert heatmap.render_png(heat, threshold).startswith(b"\x89PNG")


@pytest.mark.parametrize("grey", [60, 128, 200])
def test_what_is_just_above_the_threshold_is_seen_on_grey_metal_and_what_is_well_below_is_not(grey: int) -> None:
    heat = np.float32([[0, 0.75, 1.02, 1.2]])
    drawn = heatmap.overlay(np.full((1, 4, 3), grey, np.uint8), heat, 1.0)
    lab = cv2.cvtColor(drawn.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    _, below, above, far = np.linalg.norm(lab - lab[0], axis=1)  # CIE76: 2.3 is just noticed
    assert below < 5 < 20 < above < far


def test_an_overlay_has_the_pictures_size_and_leaves_normal_pixels_alone() -> None:
    pixels = np.full((40, 60, 3), 90, np.uint8)
    heat = np.zeros((20, 30), np.float32)
    heat[:, 20:] = 5
    over = heatmap.overlay(pixels, heat, 1.0)
    assert over.shape == pixels.shape
    assert (over[:, :36] == 90).all()
    assert (over[:, 44:] != 90).any()


def test_an_overlay_is_the_picture_and_the_map_by_its_opacity() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (301, 77, 3), np.uint8)
    heat = rng.random((32, 32), np.float32)
    rgba = cv2.resize(heatmap.colour(heat, 0.5), (77, 301), interpolation=cv2.INTER_LINEAR)
    opacity = rgba[..., 3:].astype(np.float32) / 255
    expected = np.rint(pixels * (1 - opacity) + rgba[..., :3] * opacity).astype(np.uint8)
    np.testing.assert_array_equal(heatmap.overlay(pixels, heat, 0.5), expected)


def test_an_overlay_of_a_large_picture_takes_little_more_than_what_it_makes() -> None:
    pixels = np.zeros((4000, 4000, 3), np.uint8)
    heat = np.ones((32, 32), np.float32)
    tracemalloc.start()
    try:
        heatmap.overlay(pixels, heat, 1.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200e6
