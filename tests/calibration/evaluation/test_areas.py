"""Areas of masks against what counting pixel by pixel gives."""

import numpy as np
import pytest
from scipy.ndimage import label

from calibration.evaluation import areas as module
from calibration.evaluation.areas import Areas


def counted(white: np.ndarray, size_wh: tuple[int, int]) -> list[dict[int, float]]:
    """Which share of each area lies in which pixel of the map, pixel by pixel."""
    numbered, number = label(white, np.ones((3, 3)))
    width, height = size_wh
    found = []
    for each in range(1, number + 1):
        ys, xs = np.nonzero(numbered == each)
        pixels = [int((y + 0.5) * height / len(white)) * width + int((x + 0.5) * width / len(white[0]))
                  for y, x in zip(ys, xs, strict=True)]  # fmt: skip
        found.append({pixel: pixels.count(pixel) / len(pixels) for pixel in set(pixels)})
    return found


def told(areas: Areas) -> list[dict[int, float]]:
    found: list[dict[int, float]] = [{} for _ in range(int(areas.area.max(initial=-1)) + 1)]
    for area, pixel, share in zip(areas.area, areas.pixel, areas.share, strict=True):
        found[area][int(pixel)] = found[area].get(int(pixel), 0) + float(share)
    return found


def speckled(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)) > 0.8


@pytest.mark.parametrize("size_wh", [(16, 16), (7, 13), (50, 40)])
@pytest.mark.parametrize("band", [1, 200, 4_000_000])
def test_each_pixel_of_each_area_lies_in_one_pixel_of_the_map(
    size_wh: tuple[int, int], band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BAND", band)
    white = speckled(40, 50, 1)
    found, expected = (
        sorted(sorted(each.items()) for each in areas)
        for areas in (told(Areas.of(white, size_wh)), counted(white, size_wh))
    )
    assert [dict(each) for each in found] == [pytest.approx(dict(each)) for each in expected]


def test_an_area_between_the_rows_that_shrinking_keeps_still_counts_and_neighbours_stay_apart() -> None:
    white = np.zeros((90, 90), bool)
    white[1, 1] = white[1, 4] = white[80, 80] = True
    areas = Areas.of(white, (9, 9))
    assert told(areas) == [{0: 1}, {0: 1}, {80: 1}]
    assert areas.defective.reshape(-1)[[0, 40, 80]].tolist() == [0.02, 0, 0.01]


def test_a_mask_smaller_than_the_map_fills_it() -> None:
    white = np.array([[True, False], [False, False]])
    areas = Areas.of(white, (4, 6))
    assert areas.defective.tolist() == [[1, 1, 0, 0]] * 3 + [[0, 0, 0, 0]] * 3
    assert told(areas) == [pytest.approx(dict.fromkeys([0, 1, 4, 5, 8, 9], 1 / 6))]


def test_a_black_mask_has_no_area() -> None:
    areas = Areas.of(np.zeros((30, 20), bool), (5, 6))
    assert areas.defective.shape == (6, 5)
    assert told(areas) == []
    assert not areas.any_in(None)


def test_what_counts_decides_whether_any_is_left() -> None:
    white = np.zeros((40, 40), bool)
    white[:8, :8] = True
    counts = np.ones((4, 4), bool)
    assert Areas.of(white, (4, 4)).any_in(counts)
    counts[0, 0] = False
    assert not Areas.of(white, (4, 4)).any_in(counts)
