"""Signals of the whole picture, the baseline of a bank, and which rejects it explains."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import change_arrays, copy_of, sign
from line import changed, drawn_part
from pictures import baseline_of, smooth_picture

from inspector.bank import Bank
from inspector.drift import PICTURE_SIDE, SIGNALS, Baseline, Reference, glance
from inspector.errors import BankError
from inspector.pipeline import Pipeline
from inspector.types import Decision, Reading, Thresholds, UInt8Image

AT = {signal: index for index, signal in enumerate(SIGNALS)}


@pytest.fixture(scope="module")
def pipeline(bank: Path) -> Pipeline:
    return Pipeline.open(bank)


@pytest.fixture
def picture() -> UInt8Image:
    return smooth_picture(256, 256)


def looks(picture: UInt8Image) -> dict[str, float]:
    return dict(zip(SIGNALS, glance(picture).looks.tolist(), strict=True))


def scaled(picture: UInt8Image, *factors: float) -> UInt8Image:
    return np.clip(picture * np.array(factors), 0, 255).astype(np.uint8)


def test_light_is_brightness_and_contrast_and_not_focus(picture: UInt8Image) -> None:
    before, after = looks(picture), looks(scaled(picture, 0.8))
    assert after["brightness"] - before["brightness"] == pytest.approx(np.log(0.8), abs=0.02)
    assert after["contrast"] - before["contrast"] == pytest.approx(np.log(0.8), abs=0.03)
    assert after["focus"] == pytest.approx(before["focus"], abs=0.1)
    assert after["red"] == pytest.approx(before["red"], abs=0.01)


def test_blur_is_focus_and_hardly_light(picture: UInt8Image) -> None:
    sharp = scaled(picture + np.random.default_rng(0).normal(0, 8, picture.shape), 1.0)
    before, after = looks(sharp), looks(cv2.GaussianBlur(sharp, (0, 0), 1.0))
    assert after["focus"] < before["focus"] - 0.5
    assert after["brightness"] == pytest.approx(before["brightness"], abs=0.01)


def test_fewer_clipped_pixels_than_usual_are_never_out_of_control(picture: UInt8Image) -> None:
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 1, (40, len(SIGNALS)))
    signals[:, AT["clipped"]] += 50  # of normals that clip a lot
    baseline = baseline_of(signals)
    assert baseline._lower_limits[AT["clipped"]] == -np.inf
    assert np.isfinite(baseline._lower_limits[AT["brightness"]])
    assert baseline.frame_limits[AT["clipped"]] < 50


def test_a_warmer_lamp_is_colour(picture: UInt8Image) -> None:
    grey = np.repeat(picture[..., :1] // 2 + 40, 3, axis=2)
    before, after = looks(grey), looks(scaled(grey, 1.1, 1, 0.9))
    assert after["red"] - before["red"] == pytest.approx(np.log(1.1), abs=0.01)
    assert after["blue"] - before["blue"] == pytest.approx(np.log(0.9), abs=0.01)


def test_clipped_pixels_are_counted_at_both_ends() -> None:
    picture = np.full((100, 100, 3), 128, np.uint8)
    picture[:10], picture[90:] = 0, 255
    assert looks(picture)["clipped"] == pytest.approx(0.2)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (8, 0), (-20, 5), (0, -13), (2, 1)])
def test_a_part_that_has_moved_is_found_to_half_a_percent_of_the_picture(right: int, down: int) -> None:
    def part(x: int, y: int) -> UInt8Image:
        canvas = smooth_picture(320, 320)
        cv2.rectangle(canvas, (100, 90), (200, 230), (230, 60, 30), -1)
        return canvas[32 - y : 288 - y, 32 - x : 288 - x].copy()

    normals = np.stack([glance(part(0, 0)).small] * 2)
    reference = Reference.of(normals, np.ones((2, 4), np.float32))
    signals = reference.signals(glance(part(right, down)), np.ones(4, np.float32))
    assert signals[AT["position_x"]] == pytest.approx(right / 256, abs=0.005)
    assert signals[AT["position_y"]] == pytest.approx(down / 256, abs=0.005)


@pytest.mark.filterwarnings("error")
def test_nothing_moves_before_normals_of_one_level(picture: UInt8Image) -> None:
    """As of a bare sheet or an overexposed part."""
    normals = np.full((4, PICTURE_SIDE, PICTURE_SIDE), 255, np.uint8)
    reference = Reference.of(normals, np.ones((4, 3), np.float32))
    for seen in (picture, np.full_like(picture, 255)):
        moved = reference.signals(glance(seen), np.ones(3, np.float32))[[AT["position_x"], AT["position_y"]]]
        np.testing.assert_array_equal(moved, 0)


def test_a_dimension_in_which_normals_hardly_differ_weighs_no_more_than_ten_usual_ones() -> None:
    small = np.zeros((2, PICTURE_SIDE, PICTURE_SIDE), np.uint8)
    np.testing.assert_allclose(Reference.of(small, np.array([[0, 0], [2, 0]], np.float32)).spread, [1, 0.05])
    np.testing.assert_allclose(Reference.of(small, np.zeros((2, 2), np.float32)).spread, [1e-6, 1e-6])


def test_each_normal_was_held_against_others(bank: Path) -> None:
    """Against a reference that holds it, a sample would lie nearer: ten samples pull their own mean a tenth."""
    baseline = Bank.load(bank).drift
    assert baseline is not None
    assert baseline.signals.shape == (10, len(SIGNALS))
    assert baseline.usual_patches.shape == (10,)
    assert (baseline.signals[:, AT["embedding"]] > 0).mean() >= 0.5


def test_a_good_part_is_in_control_and_a_scratch_is_not_drift(pipeline: Pipeline) -> None:
    for seed in range(20):
        good = pipeline.inspect(drawn_part(seed))
        scratched = pipeline.inspect(drawn_part(seed, scratched=True))
        assert good.reading is not None
        assert good.reading.out == ()
        assert (scratched.decision, scratched.reason) == (Decision.NG, None)


@pytest.mark.parametrize(("change", "told"), [({"noise": 20}, "focus +"), ({"light": 0.4}, "brightness -60 %")])
def test_a_worse_picture_is_uncertain_and_a_scratch_in_it_is_rejected_all_the_same(
    pipeline: Pipeline, change: dict[str, float], told: str
) -> None:
    for seed in range(20):
        worse = pipeline.inspect(changed(seed, **change))
        assert pipeline.bank.thresholds.decide(worse.score) is Decision.NG
        assert worse.decision is Decision.UNCERTAIN
        assert worse.reason is not None
        assert worse.reason.startswith("drift: ")
        assert told in worse.reason
        scratched = pipeline.inspect(changed(seed, scratched=True, **change))
        assert (scratched.decision, scratched.reason) == (Decision.NG, None)


def test_nothing_becomes_ok(pipeline: Pipeline) -> None:
    for light in (0.3, 0.6, 1.0, 1.3):
        for noise in (0.0, 5.0, 30.0):
            found = pipeline.inspect(changed(1, light=light, noise=noise))
            by_score = pipeline.bank.thresholds.decide(found.score)
            assert found.decision is by_score or (by_score, found.decision) == (Decision.NG, Decision.UNCERTAIN)


def test_only_the_share_of_the_score_that_the_whole_picture_has_is_forgiven(pipeline: Pipeline) -> None:
    baseline = pipeline.bank.drift
    assert baseline is not None
    thresholds = Thresholds(1.0, 2.0, 1.0)

    def explained(score: float, lift: float, *out: str) -> bool:
        zeros = np.zeros(len(SIGNALS))
        return baseline.explains(Reading(zeros, zeros, out, baseline.usual + lift), score, thresholds)

    assert explained(2.9, 1.0, "focus")
    assert not explained(3.1, 1.0, "focus")  # a place stands out by more than the rest has risen
    assert not explained(2.9, 1.0)  # the picture looks as ever
    assert not explained(2.1, -1.0, "focus")  # a picture that is nearer to the bank forgives nothing


def test_a_bank_of_a_former_version_has_no_baseline_and_inspects_as_before(bank: Path, tmp_path: Path) -> None:
    former = copy_of(bank, tmp_path)
    (former / "drift.safetensors").unlink()
    sign(former)
    pipeline = Pipeline.open(former)
    assert pipeline.bank.drift is None
    inspection = pipeline.inspect(changed(0, noise=20))
    assert (inspection.reading, inspection.reason, inspection.decision) == (None, None, Decision.NG)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("picture", np.zeros((8, 8), np.float32), "picture: got (8, 8), expected (64, 64)"),
        ("signals", np.zeros((3, 9)), "signals: got (3, 9), expected (10, 9)"),
        ("signals", np.full((10, 9), np.nan), "holds NaN"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(
    bank: Path, tmp_path: Path, name: str, value: np.ndarray, said: str
) -> None:
    damaged = copy_of(bank, tmp_path)
    change_arrays(damaged / "drift.safetensors", lambda arrays: arrays.update({name: value}))
    with pytest.raises(BankError, match=r"drift\.safetensors") as caught:
        Bank.load(damaged)
    assert said in str(caught.value)


def test_changes_are_told_in_words(pipeline: Pipeline) -> None:
    baseline = pipeline.bank.drift
    assert isinstance(baseline, Baseline)
    fifth_less = np.log(0.8) / baseline.spread[AT["brightness"]]
    assert baseline.change("brightness", fifth_less) == "-20 %"
    assert baseline.change("position_x", 0.031 / baseline.spread[AT["position_x"]]) == "+3.1 % of the picture"
