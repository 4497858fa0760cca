"""Figures of merit against brute force and against scikit-learn on the values themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from calibration.evaluation.areas import Areas
from calibration.evaluation.metrics import FPR_LIMIT, PixelFigures, f1_max, image_auroc

SCORES = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=30)


def f32(values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)


@given(SCORES, SCORES)
def test_image_auroc_is_how_often_a_defect_scores_above_a_good_part(good: list[float], defect: list[float]) -> None:
    wins = np.mean([(d > g) + 0.5 * (d == g) for d in defect for g in good])
    assert image_auroc(f32(good), f32(defect)) == pytest.approx(wins)


@given(SCORES, SCORES)
def test_the_best_f1_is_that_of_the_best_threshold(good: list[float], defect: list[float]) -> None:
    best = 0.0
    for threshold in {*good, *defect}:
        hits = sum(d >= threshold for d in defect)
        best = max(best, 2 * hits / (hits + sum(g >= threshold for g in good) + len(defect)))
    assert f1_max(f32(good), f32(defect)) == pytest.approx(best)


def test_one_kind_alone_has_no_figure() -> None:
    some, none = f32([1, 2]), f32([])
    assert image_auroc(some, none) is image_auroc(none, some) is image_auroc(none, none) is None
    assert f1_max(some, none) is f1_max(none, some) is None


def maps_and_masks(seed: int, count: int = 6) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    maps, masks = [], []
    for _ in range(count):
        mask = np.zeros((24, 32), bool)
        for _ in range(int(rng.integers(0, 3))):
            row, column = rng.integers(0, 20, 2)
            mask[row : row + rng.integers(1, 5), column : column + rng.integers(1, 9)] = True
        maps.append((rng.gamma(2, size=mask.shape) + mask * rng.uniform(0, 3)).astype(np.float16).astype(np.float32))
        masks.append(mask)
    return maps, masks


def collected(maps: list[np.ndarray], masks: list[np.ndarray]) -> PixelFigures:
    figures = PixelFigures()
    for heat, mask in zip(maps, masks, strict=True):
        figures.add(heat, Areas.of(mask, (mask.shape[1], mask.shape[0])))
    return figures


def brute_force_aupro(maps: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """By definition: at each threshold the mean overlap of the areas, over the false-positive rate."""
    normal = np.concatenate([heat[~mask] for heat, mask in zip(maps, masks, strict=True)])
    areas = []
    for heat, mask in zip(maps, masks, strict=True):
        numbered, count = label(mask, np.ones((3, 3)))
        areas += [heat[numbered == number] for number in range(1, count + 1)]
    thresholds = np.unique(np.concatenate([heat.ravel() for heat in maps]))[::-1]
    x = np.array([0, *((normal >= t).mean() for t in thresholds)])
    y = np.array([0, *(np.mean([(area >= t).mean() for area in areas]) for t in thresholds)])
    grid = np.concatenate([x[x < FPR_LIMIT], [FPR_LIMIT]])
    heights = np.concatenate([y[x < FPR_LIMIT], [np.interp(FPR_LIMIT, x, y)]])
    return float(np.trapezoid(heights, grid) / FPR_LIMIT)


@pytest.mark.parametrize("seed", range(4))
def test_pixel_figures_are_those_of_the_definition(seed: int) -> None:
    maps, masks = maps_and_masks(seed)
    figures = collected(maps, masks)
    truth, values = np.concatenate(masks).ravel(), np.concatenate(maps).ravel()
    assert figures.auroc == pytest.approx(roc_auc_score(truth, values), abs=1e-9)
    assert figures.aupro == pytest.approx(brute_force_aupro(maps, masks), abs=1e-9)


def test_counting_by_half_precision_costs_next_to_nothing() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), bool)
    mask[10:30, 10:30] = True
    heat = (rng.gamma(2, size=mask.shape) + mask).astype(np.float32)
    assert collected([heat], [mask]).auroc == pytest.approx(roc_auc_score(mask.ravel(), heat.ravel()), abs=1e-4)


def test_a_perfect_map_and_a_blind_one() -> None:
    mask = np.zeros((20, 20), bool)
    mask[5:9, 5:9] = True
    perfect = collected([mask.astype(np.float32)], [mask])
    assert perfect.auroc == perfect.aupro == pytest.approx(1)
    blind = collected([np.ones((20, 20), np.float32)], [mask])
    assert blind.auroc == pytest.approx(0.5)
    assert blind.aupro == pytest.approx(FPR_LIMIT / 2)


def test_small_areas_weigh_as_much_as_large_ones() -> None:
    mask = np.zeros((40, 40), bool)
    mask[0:20, 0:20] = True
    mask[30, 30] = True
    found_large = mask.astype(np.float32)
    found_large[30, 30] = 0
    assert collected([found_large], [mask]).aupro == pytest.approx((1 + FPR_LIMIT / 2 + 0) / 2, abs=0.01)


def test_without_defective_pixels_there_is_no_figure() -> None:
    figures = collected([np.ones((4, 4), np.float32)], [np.zeros((4, 4), bool)])
    assert figures.auroc is figures.aupro is None
    assert PixelFigures().auroc is PixelFigures().aupro is None


def test_without_normal_pixels_there_is_no_figure() -> None:
    figures = collected([np.ones((4, 4), np.float32)], [np.ones((4, 4), bool)])
    assert figures.auroc is figures.aupro is None


@pytest.mark.parametrize("highest", [1e5, 3e38, np.inf])
def test_values_beyond_half_precision_are_the_highest(highest: float) -> None:
    heat = np.array([[1, highest], [0, -0.0]], np.float32)
    figures = collected([heat], [np.array([[False, True], [False, False]])])
    assert figures.auroc == 1


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    few, many = collected(*maps_and_masks(0, 2)), collected(*maps_and_masks(0, 20))
    size = [sum(a.nbytes for a in vars(f).values() if isinstance(a, np.ndarray)) for f in (few, many)]
    assert size[0] == size[1]


def test_areas_that_touch_at_a_corner_are_one() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10, 10:13] = mask[11, 13] = True
    found = np.zeros((40, 40), np.float32)
    found[11, 13] = 1  # a quarter of the one area; of two areas it would be one of them whole
    assert collected([found], [mask]).aupro == pytest.approx(0.25 + 0.75 * FPR_LIMIT / 2, abs=0.01)
