"""Where the light may change, samples are banked darker and brighter too."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part
from numpy.typing import NDArray

from calibration.calibrate import Options, calibrate
from calibration.grow import grow
from calibration.light import STEP, any_light, factors, lit
from calibration.reader import Newcomer
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe

STEADY = Recipe(size_wh=(64, 64), vectors=512, whitening=0, centring=0)
VARYING = STEADY.model_copy(update={"light": 0.4})


def test_lights_span_the_share_in_small_steps() -> None:
    assert factors(0) == (1.0,)
    assert factors(0.15) == (1.0, 0.85, 1.15)
    for light in (0.1, 0.3, 0.31, 0.6):
        found = sorted(factors(light))
        assert factors(light)[0] == 1
        assert (found[0], found[-1]) == pytest.approx((1 - light, 1 + light))
        assert np.diff(found).max() <= STEP + 1e-9


def test_a_light_that_a_frame_may_be_in() -> None:
    rng = np.random.default_rng(0)
    found = [any_light(0.3, rng) for _ in range(500)]
    assert 0.7 <= min(found) < 0.72
    assert 1.28 < max(found) <= 1.3
    assert any_light(0, rng) == 1


def test_levels_are_multiplied_rounded_and_clipped() -> None:
    picture = np.array([[[0, 1, 99], [100, 200, 255]]], np.uint8)
    assert lit(picture, 1.0) is picture
    np.testing.assert_array_equal(lit(picture, 1.5), [[[0, 2, 149], [150, 255, 255]]])
    np.testing.assert_array_equal(lit(picture, 0.5), [[[0, 1, 50], [50, 100, 128]]])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_good(tmp_path_factory.mktemp("light") / "good", 12)


def at_light(payload: bytes, factor: float) -> bytes:
    levels: NDArray[np.uint8] = np.asarray(cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    return cv2.imencode(".png", lit(levels, factor))[1].tobytes()


def test_frames_in_another_light_pass_and_defects_do_not(good: Path, tmp_path: Path) -> None:
    steady = calibrate(good, tmp_path / "steady", Options(recipe=STEADY, folds=4, max_false_reject=0.1))
    varying = calibrate(good, tmp_path / "varying", Options(recipe=VARYING, folds=4, max_false_reject=0.1))
    one, other = Pipeline.open(steady.path), Pipeline.open(varying.path)
    for factor in (0.65, 1.35):
        normal = [at_light(drawn_part(900 + seed), factor) for seed in range(6)]
        before, after = ([pipeline.inspect(each).score for each in normal] for pipeline in (one, other))
        assert np.mean(before) > steady.thresholds.ng
        assert np.mean(after) < 0.75 * np.mean(before)
        assert np.mean(after) < varying.thresholds.ng
        scratched = at_light(drawn_part(950, scratched=True), factor)
        assert other.inspect(scratched).score > 2 * varying.thresholds.ng


def test_pictures_that_a_bank_grows_by_come_in_all_lights(good: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.png"
    marked.write_bytes(drawn_part(950, scratched=True))
    for name, recipe in (("steady", STEADY), ("varying", VARYING)):
        calibrate(good, tmp_path / name, Options(recipe=recipe, folds=4))
        grow(tmp_path / name, [Newcomer("marked", marked)], tmp_path / f"{name}2")
    dark = at_light(marked.read_bytes(), 0.65)
    steady, varying = (Pipeline.open(tmp_path / name).inspect(dark).score for name in ("steady2", "varying2"))
    assert varying < 0.7 * steady
