"""Where the light may change, or parts may lie off, samples are banked darker and brighter and moved, too."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part
from numpy.typing import NDArray

from calibration.augmentation import (
    AS_IT_IS,
    LIGHT_STEP,
    PLACES,
    Augmentation,
    any_augmentation,
    augmented,
    check_room,
    count,
    lights,
    lit,
    placed,
    places,
)
from calibration.calibrate import Options, calibrate
from calibration.growth.grow import grow
from calibration.growth.reader import Newcomer
from inspector.errors import FrameSizeError, RecipeError, SamplesError
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.recipe import Crop, Recipe, load
from inspector.roi import Roi
from inspector.types import Frame, UInt8Image

MIDDLE = Crop(x=32, y=32, width=96, height=96)
STEADY = Recipe(size_wh=(64, 64), vectors=512, whitening=0, centring=0)
VARYING = STEADY.model_copy(update={"light": 0.4})


def test_lights_span_the_share_in_small_steps() -> None:
    assert lights(0) == (1.0,)
    assert lights(0.15) == (1.0, 0.85, 1.15)
    for light in (0.1, 0.3, 0.31, 0.6):
        found = sorted(lights(light))
        assert lights(light)[0] == 1
        assert (found[0], found[-1]) == pytest.approx((1 - light, 1 + light))
        assert np.diff(found).max() <= LIGHT_STEP + 1e-9


def test_places_lie_within_the_shift_and_in_all_quadrants() -> None:
    rng = np.random.default_rng(0)
    assert places(0, rng) == ()
    for _ in range(50):
        found = places(0.05, rng)
        assert len(found) == PLACES
        assert np.abs(found).max() <= 0.05
        quadrants = Counter((right > 0, down > 0) for right, down in found)
        assert set(quadrants.values()) == {PLACES // 4}
    everywhere = np.array([place for _ in range(200) for place in places(0.05, rng)])
    assert (everywhere.min(0) < -0.049).all()
    assert (everywhere.max(0) > 0.049).all()


def test_what_is_banked_of_a_sample_is_the_same_every_time() -> None:
    frames = [Frame(np.random.default_rng(seed).integers(0, 256, (160, 160, 3)).astype(np.uint8)) for seed in (0, 1)]
    recipe = Recipe(size_wh=(96, 96), light=0.3, shift=0.05, crop=MIDDLE)
    one, again, other = (
        [picture for picture, _ in placed(frame, recipe)] for frame in (frames[0], frames[0], frames[1])
    )
    assert len(one) == count(recipe) == 5 + PLACES
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one[0], frames[0].pixels[32:128, 32:128])
    np.testing.assert_array_equal(one[1], lit(one[0], lights(0.3)[1]))
    own, others = ([_place(each, frame) for each in some[5:]] for some, frame in ((one, frames[0]), (other, frames[1])))
    assert all(max(abs(right), abs(down)) <= 5 for right, down in own)
    assert len(set(own)) > PLACES // 2
    assert own != others


def _place(picture: UInt8Image, frame: Frame) -> tuple[int, int]:
    """How far to the right and down the crop of the frame was moved, pixels."""
    found = cv2.matchTemplate(frame.pixels, picture, cv2.TM_SQDIFF)
    x, y = cv2.minMaxLoc(found)[2]
    return 32 - x, 32 - y


def test_a_light_and_a_place_that_a_frame_may_be_in() -> None:
    rng, recipe = np.random.default_rng(0), Recipe(light=0.3, shift=0.1, crop=MIDDLE)
    found = [any_augmentation(recipe, rng) for _ in range(500)]
    lights, places = np.array([each.light for each in found]), np.array([each.shift_xy for each in found])
    assert 0.7 <= lights.min() < 0.72
    assert 1.28 < lights.max() <= 1.3
    assert (np.abs(places) <= 0.1).all()
    assert (places.min(0) < -0.09).all()
    assert (places.max(0) > 0.09).all()
    assert any_augmentation(Recipe(), rng) == AS_IT_IS


def test_a_moved_frame_shows_what_lies_beside_the_crop() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (120, 140, 3)).astype(np.uint8)
    recipe = Recipe(size_wh=(80, 60), crop=Crop(x=30, y=30, width=80, height=60))
    np.testing.assert_array_equal(augmented(Frame(pixels), recipe, AS_IT_IS), pixels[30:90, 30:110])
    right_and_up = Augmentation(shift_xy=(0.1, -0.1))
    np.testing.assert_array_equal(augmented(Frame(pixels), recipe, right_and_up), pixels[36:96, 22:102])
    brighter = Augmentation(light=1.5, shift_xy=(-0.1, 0.0))
    np.testing.assert_array_equal(augmented(Frame(pixels), recipe, brighter), lit(pixels[30:90, 38:118], 1.5))


def test_a_part_moves_and_its_region_of_interest_stays() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    region = Roi.model_validate({"frame_wh": (96, 96), "include": [[[16, 16], [79, 16], [79, 79], [16, 79]]]})
    recipe = Recipe(size_wh=(96, 96), roi=region)
    moved = augmented(Frame(pixels), recipe, Augmentation(shift_xy=(1 / 12, 0.0)))
    expected, view = picture_of(Frame(np.roll(pixels, 8, axis=1)), recipe)
    assert (view.x, view.y, view.width, view.height) == (16, 16, 64, 64)
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize(("crop", "beside", "below"), [((0, 30), 0, 20), ((60, 30), 0, 20), ((20, 50), 20, 0)])
def test_a_move_needs_room(crop: tuple[int, int], beside: int, below: int) -> None:
    frame = Frame(np.zeros((100, 120, 3), np.uint8))
    recipe = Recipe(name="disc", crop=Crop(x=crop[0], y=crop[1], width=60, height=50), shift=0.1)
    said = f"got {beside} pixels beside and {below} above or below what recipe 'disc' looks at, expected 6 and 5 for"
    with pytest.raises(FrameSizeError, match=said):
        check_room(frame, recipe)
    with pytest.raises(FrameSizeError, match=said):
        augmented(frame, recipe, Augmentation(shift_xy=(0.1, 0.1)))
    check_room(frame, recipe.model_copy(update={"shift": 0.0}))


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


def cast_part(seed: int, *, right: int = 0, down: int = 0, scratched: bool = False) -> bytes:
    """A rough casting, 160x160 pixels, that is larger than the crop; it lies a little off where it is moved."""
    rough = np.random.default_rng(7).normal(0, 1, (160, 160)).astype(np.float32)
    levels = 130 + 160 * cv2.GaussianBlur(rough, (0, 0), 5)
    if scratched:
        cv2.line(levels, (60, 70), (100, 90), 0, 3)
    placed = np.roll(levels, (down, right), axis=(0, 1))
    noisy = placed + np.random.default_rng(seed).normal(0, 3, placed.shape)
    return cv2.imencode(".png", np.clip(noisy, 0, 255).astype(np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def castings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("castings")
    for seed in range(12):
        (folder / f"{seed:02d}.png").write_bytes(cast_part(seed))
    return folder


def test_parts_that_lie_off_pass_and_defects_do_not(castings: Path, tmp_path: Path) -> None:
    fixed = STEADY.model_copy(update={"crop": MIDDLE, "vectors": 2000})
    options = [
        Options(recipe=recipe, folds=4, max_false_reject=0.1)
        for recipe in (fixed, Recipe.model_validate({**fixed.model_dump(), "shift": 0.08}))
    ]
    one, other = (Pipeline.open(calibrate(castings, tmp_path / str(i), o).path) for i, o in enumerate(options))
    rng = np.random.default_rng(3)
    places = [tuple(map(int, rng.integers(-7, 8, 2))) for _ in range(40)]
    normal = [cast_part(900 + seed, right=right, down=down) for seed, (right, down) in enumerate(places)]
    before, after = (np.mean([p.inspect(each).score > p.bank.thresholds.ng for each in normal]) for p in (one, other))
    assert before > 0.5
    assert after <= 0.2
    for right, down in places[:5]:
        scratched = cast_part(950, right=right, down=down, scratched=True)
        assert other.inspect(scratched).score > 5 * other.bank.thresholds.ng


def test_samples_without_room_are_refused_and_named(castings: Path, tmp_path: Path) -> None:
    wide = Recipe(size_wh=(64, 64), vectors=64, crop=Crop(x=4, y=4, width=150, height=150), shift=0.05)
    with pytest.raises(SamplesError, match=r"none of 12 can be used: frame: got 4 pixels beside and 4 above or below"):
        calibrate(castings, tmp_path / "bank", Options(recipe=wide, folds=4))
    assert not (tmp_path / "bank").exists()


def test_a_shift_without_a_crop_or_a_region_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("shift: 0.05", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"shift: got 0.05 without a crop or a region of interest, expected one with"):
        load(file)


def test_a_newcomer_without_room_is_left_out(castings: Path, tmp_path: Path) -> None:
    recipe = Recipe(size_wh=(64, 64), vectors=256, whitening=0, crop=MIDDLE, shift=0.05)
    calibrate(castings, tmp_path / "bank", Options(recipe=recipe, folds=4))
    small, whole = tmp_path / "small.png", tmp_path / "whole.png"
    pixels = cv2.imdecode(np.frombuffer(cast_part(950, scratched=True), np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(small), pixels[:129, :129])
    whole.write_bytes(cast_part(950, scratched=True))
    done = grow(tmp_path / "bank", [Newcomer("small", small), Newcomer("whole", whole)], tmp_path / "more")
    assert [(item.path, "got 1 pixels beside" in item.reason) for item in done.skipped] == [(small, True)]
    before, after = (Pipeline.open(tmp_path / name) for name in ("bank", "more"))
    moved = cast_part(951, right=4, down=-4, scratched=True)
    assert before.inspect(moved).score > before.bank.thresholds.ok
    assert after.inspect(moved).score < 0.7 * before.inspect(moved).score
