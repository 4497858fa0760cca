"""Robustness and contamination: changes change what they say, and mixed-in defects are not judged by."""

from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part

from benchmarks import contamination, loop, robustness
from calibration.calibrate import Options, calibrate
from calibration.evaluation.cases import GOOD, find_cases
from inspector import frame as decoder
from inspector.folder import image_files
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe

RECIPE = Recipe(size_wh=(64, 64), vectors=64, crop=robustness.CROP)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_good(tmp_path / "plate" / "train" / "good", 12)
    write_good(tmp_path / "plate" / "test" / "good", 4, first_seed=100)
    folder = tmp_path / "plate" / "test" / "scratch"
    folder.mkdir()
    for seed in range(6):
        (folder / f"{seed:03d}.png").write_bytes(drawn_part(200 + seed, scratched=True))
    return tmp_path / "plate"


def test_changes_do_what_they_say() -> None:
    picture = np.random.default_rng(0).integers(60, 120, (40, 80, 3)).astype(np.uint8)
    changed = {name: change(picture) for name, change in robustness.CHANGES.items()}
    assert all((each.shape, each.dtype) == (picture.shape, np.uint8) for each in changed.values())
    np.testing.assert_array_equal(changed["unchanged"], picture)
    assert changed["light x 0.7"].mean() == pytest.approx(0.7 * picture.mean(), rel=0.01)
    np.testing.assert_array_equal(changed["shift 5 %"][2:, 4:], picture[:-2, :-4])
    assert changed["blur 2"].std() < changed["blur 1"].std()
    noise = changed["noise 10"].astype(float) - picture
    assert noise.std() == pytest.approx(10, rel=0.1)


def test_a_move_brings_in_what_lies_beside_and_no_border(tmp_path: Path) -> None:
    picture = np.full((200, 550, 3), 90, np.uint8)
    picture[[0, -1]] = picture[:, [0, -1]] = 255
    for name, change in robustness.CHANGES.items():
        file = tmp_path / "plate.png"
        cv2.imwrite(str(file), picture)
        frame = robustness.frame_of(file, change)
        assert frame.size_wh == (304, 304)
        seen, _ = picture_of(frame, Recipe(crop=robustness.CROP))
        if name.startswith(("shift", "turn")):
            assert (seen == 90).all(), name


def test_samples_are_frames_in_their_order(data: Path, tmp_path: Path) -> None:
    files = image_files(data / "train" / "good")[:3]
    robustness.write_frames(files, tmp_path / "frames")
    written = [decoder.decode(file.read_bytes()).pixels for file in image_files(tmp_path / "frames")]
    for file, picture in zip(files, written, strict=True):
        frame = robustness.frame_of(file, robustness.CHANGES["unchanged"])
        np.testing.assert_array_equal(picture, frame.pixels)


def test_robustness_is_measured_through_the_pipeline(data: Path, tmp_path: Path) -> None:
    robustness.write_frames(image_files(data / "train" / "good"), tmp_path / "frames")
    calibrate(tmp_path / "frames", tmp_path / "bank", Options(recipe=RECIPE, folds=2))
    cases = find_cases(data / "test")
    good, defective = ([case for case in cases if (case.label == GOOD) == is_good][:3] for is_good in (True, False))
    figures = robustness.measure(Pipeline.open(tmp_path / "bank"), good, defective)
    assert figures["unchanged"]["image_auroc"] == 1.0
    moved, unchanged = (figures[name]["false_reject_rate"] for name in ("shift 5 %", "unchanged"))
    assert moved is not None
    assert unchanged is not None
    assert moved > unchanged
    assert "| noise 10 |" in robustness.markdown({"plate": {"default": figures}})


def test_what_is_mixed_in_is_not_judged(data: Path, tmp_path: Path) -> None:
    good, names = contamination.arrange(data, tmp_path, 0.2)
    assert (good, len(names)) == (12, 3)
    mixed = {path.resolve() for path in (tmp_path / "mixed").iterdir()}
    judged = {path.resolve() for path in (tmp_path / "data" / "test").rglob("*.png")}
    assert len(mixed) == 12 + 3
    assert {(tmp_path / "mixed" / name).resolve().parent.name for name in names} == {"scratch"}
    assert len(judged) == 4 + 3
    assert not mixed & judged
    assert len(find_cases(tmp_path / "data" / "test")) == 7


def test_what_contamination_costs_is_told() -> None:
    side = {"image_auroc": 0.9, "left_out": 4, "of_them_defects": 3}
    sets = {"plate": {"good": 12, "mixed in": 3, "clean": side, "mixed": {"image_auroc": 0.8}, "excluded": side}}
    shown = contamination.markdown(sets)
    assert "| plate | 3 beside 12 | 0.900 | 0.800 | 0.900 | 4, 3 of them defects |" in shown
    assert "| mean |" in shown
    assert "after" not in shown
    look = {"image_auroc": 0.85, "defects": 2, "escape_rate": 0.25}
    shown = contamination.markdown({"plate": sets["plate"] | {"look 1": look}})
    assert "| plate | look 1 | 2 | 0.850 | 25% |" in shown


def test_false_alarms_are_fed_back_and_judged_by_frames_that_no_bank_saw(data: Path, tmp_path: Path) -> None:
    for seed in range(3):  # good here, and unlike the first
        odd = drawn_part(300 + seed, scratched=True)
        (data / "train" / "good" / f"{900 + seed}.png").write_bytes(odd)
    found = loop.measure(data, tmp_path, first=6, rounds=1)
    fed = found["round 1"]
    assert fed.came == 9
    assert fed.alarms >= 3
    assert fed.refused < fed.alarms
    assert fed.vectors > found["first"].vectors
    assert found["anew, with all that came"].image_auroc is not None
    assert f"{fed.alarms} of 9, {fed.refused} refused" in loop.markdown({"plate": {"round 1": asdict(fed)}})
