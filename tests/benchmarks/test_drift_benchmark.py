"""The benchmark of drift changes pictures as it says, and reads what the pipeline says of them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from line import drawn_part

from benchmarks.drift import CONDITIONS, Condition, _condition, seen
from inspector import frame as decoder
from inspector.pipeline import Pipeline


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "part.png"
    path.write_bytes(drawn_part(0))
    return path


def pixels(path: Path, condition: Condition) -> np.ndarray:
    return decoder.decode(seen(path, condition, np.random.default_rng(0))).pixels.astype(float)


def named(name: str) -> Condition:
    return next(condition for condition in CONDITIONS if condition.name == name)


def test_a_window_of_four_fifths_is_seen_and_a_pushed_camera_sees_beside_it(picture: Path) -> None:
    calm, moved = pixels(picture, named("as calibrated")), pixels(picture, named("moved 5%"))
    whole = decoder.decode(picture.read_bytes()).pixels
    assert calm.shape == moved.shape == (77, 77, 3)
    np.testing.assert_array_equal(calm, whole[10:87, 10:87])
    np.testing.assert_array_equal(moved, whole[10:87, 13:90])


@pytest.mark.parametrize(("name", "factor"), [("light x 0.7", 0.7), ("light x 1.15", 1.15)])
def test_light_is_a_factor(picture: Path, name: str, factor: float) -> None:
    assert pixels(picture, named(name)).mean() == pytest.approx(
        factor * pixels(picture, CONDITIONS[0]).mean(), rel=0.01
    )


def test_blur_takes_away_and_noise_adds(picture: Path) -> None:
    def roughness(name: str) -> float:
        return float(cv2.Laplacian(pixels(picture, named(name)), cv2.CV_64F).var())

    assert roughness("blur 2 px") < roughness("as calibrated") < roughness("noise 12")


def test_rejects_are_told_with_and_without(bank: Path) -> None:
    pipeline = Pipeline.open(bank)
    good = [pipeline.inspect(drawn_part(seed)) for seed in range(30)]
    bad = [pipeline.inspect(drawn_part(seed, scratched=True)) for seed in range(5)]
    said = _condition(pipeline, good, bad)
    assert (said["drifting"], said["alarms"], said["out"]) == (None, 0, 0)
    assert said["bad"] == {"ok": 0, "uncertain": 0, "ng": 1}
    assert said["good_ng_by_score"] == said["good"]["ng"]
