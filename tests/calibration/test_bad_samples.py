"""Samples and test folders that cannot tell what is asked of them: a result that says so, or a clear error."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part
from pictures import smooth_picture, with_opencv

from calibration.calibrate import Calibrated, Options, calibrate
from calibration.report import write_contact_sheet
from inspector.bank import Bank
from inspector.cli import main
from inspector.errors import SamplesError
from inspector.folder import image_files
from inspector.pipeline import Pipeline
from inspector.recipe import Crop, Recipe
from inspector.types import Decision

T = TypeVar("T")

RECIPE = Recipe(size_wh=(64, 64), vectors=64)


def calibrated(folder: Path, **options: object) -> Calibrated:
    return calibrate(folder, folder.parent / "bank", Options(recipe=RECIPE, folds=2, **options))  # type: ignore[arg-type]


def page_of(done: Calibrated, folder: Path) -> str:
    return write_contact_sheet(done, folder, folder.parent / "report").read_text("utf-8")


def test_a_sound_set_leaves_nothing_open(tmp_path: Path) -> None:
    done = calibrated(write_good(tmp_path / "good", 10))
    assert done.caveats == ()
    assert "What these samples cannot tell" not in page_of(done, tmp_path / "good")


@pytest.mark.parametrize("number", [4, 9])
def test_fewer_than_ten_samples_make_a_bank_that_says_what_it_cannot_tell(tmp_path: Path, number: int) -> None:
    good = write_good(tmp_path / "good", number)
    done = calibrated(good)
    assert len(done.caveats) == 1
    assert done.caveats[0].startswith(
        f"{number} samples are too few to tell which of them is suspicious (that needs 10)"
    )
    assert done.promise.estimated
    assert done.thresholds.ok < done.thresholds.ng
    page = page_of(done, good)
    assert f"{number} good samples: too few to tell which is suspicious." in page
    assert "Nothing suspicious" not in page
    assert Pipeline.open(done.path).inspect(drawn_part(50, scratched=True)).decision is Decision.NG


def test_samples_that_are_pressed_flat_are_told_with_a_size_that_does_not(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 10)
    for file in image_files(good):
        cv2.imwrite(str(file), cv2.resize(cv2.imread(str(file)), (640, 80)))
    (said,) = calibrated(good).caveats
    assert said.startswith("640x80 pixels are pressed into 64x64: what is narrow along the long side may be lost")
    assert "`size_wh: [192, 32]`" in said
    fair = Options(recipe=Recipe(size_wh=(192, 32), vectors=64), folds=2)
    assert calibrate(good, tmp_path / "fair", fair).caveats == ()
    cropped = Options(recipe=Recipe(size_wh=(64, 64), vectors=64, crop=Crop(x=0, y=0, width=100, height=80)), folds=2)
    assert calibrate(good, tmp_path / "cropped", cropped).caveats == ()


@pytest.mark.parametrize(("bits", "brightest"), [(10, 4), (12, 16)])
def test_samples_in_the_low_bits_of_sixteen_are_told(tmp_path: Path, bits: int, brightest: int) -> None:
    """As a camera of ten or twelve bits writes them: all but black, and next to nothing of the part is left."""
    good = write_good(tmp_path / "good", 10)
    for file in image_files(good):
        cv2.imwrite(str(file), cv2.imread(str(file)).astype(np.uint16) << (bits - 8))
    (said,) = (caveat for caveat in calibrated(good).caveats if "black" in caveat)
    assert int(re.findall(r"brighter than (\d+) of 255", said)[0]) <= brightest
    assert "16-bit" in said
    whole = write_good(tmp_path / "whole", 10)
    for file in image_files(whole):
        cv2.imwrite(str(file), cv2.imread(str(file)).astype(np.uint16) << 8)
    assert calibrate(whole, tmp_path / "other", Options(recipe=RECIPE)).caveats == ()


@pytest.mark.parametrize("number", [1, 3])
def test_one_sample_is_refused_with_the_reason(tmp_path: Path, number: int) -> None:
    with pytest.raises(SamplesError, match=f"{number} usable of {number}, expected at least 4 .* set thresholds"):
        calibrated(write_good(tmp_path / "good", number))
    assert not (tmp_path / "bank").exists()


def test_identical_samples_are_one_in_whatever_format(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 1)
    pixels = cv2.imread(str(good / "000.png"))
    for number in range(3):
        (good / f"copy{number}.png").write_bytes((good / "000.png").read_bytes())
    cv2.imwrite(str(good / "other.bmp"), pixels)
    cv2.imwrite(str(good / "other.tiff"), pixels)
    cv2.imwrite(str(good / "packed.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    with pytest.raises(SamplesError, match=r"1 usable of 7, .*copy0\.png \(the same picture as 000\.png\)"):
        calibrated(good)


def test_samples_that_hardly_differ_are_calibrated_with_a_warning(tmp_path: Path) -> None:
    """One part, photographed again and again: only the sensor's noise differs."""
    good = tmp_path / "good"
    good.mkdir()
    part = cv2.imdecode(np.frombuffer(drawn_part(1), np.uint8), cv2.IMREAD_COLOR).astype(int)
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 2, part.shape)
        cv2.imwrite(str(good / f"{number:02d}.png"), np.clip(part + noise, 0, 255).astype(np.uint8))
    done = calibrated(good)
    assert any("all but identical" in said and "cannot be told" in said for said in done.caveats)
    assert "all but identical" in page_of(done, good)
    Bank.load(done.path)


def test_a_report_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_good(tmp_path / "good", 12)
    (tmp_path / "file").write_text("in the way")
    code, out, err = call(capsys, "calibrate", good, "-o", tmp_path / "bank", "--report", tmp_path / "file")
    assert (code, out) == (2, "")
    assert err == f"error: report {tmp_path / 'file'}: it is a file, expected a folder; choose another one\n"
    assert not (tmp_path / "bank").exists()
    assert call(capsys, "calibrate", good, "-o", tmp_path / "bank", "--seed", -1)[0] == 2


def test_pictures_behind_links_are_samples_and_links_in_a_circle_are_none(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 3)
    write_good(tmp_path / "elsewhere", 4, first_seed=50)
    (good / "lot1").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(good, target_is_directory=True)
    (good / "nowhere").symlink_to(tmp_path / "gone")
    found = [file.relative_to(good).as_posix() for file in image_files(good)]
    assert found == [f"{n:03d}.png" for n in range(3)] + [f"lot1/{n:03d}.png" for n in range(4)]


def test_one_odd_size_is_left_out_and_mixed_sizes_are_warned_of(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 12)
    (good / "odd.png").write_bytes(with_opencv(smooth_picture(50, 96), ".png"))
    done = calibrated(good)
    assert not any("sizes" in caveat for caveat in done.caveats)
    assert [item.reason for item in done.skipped] == ["96x50 pixels, the others are 96x96"]
    for number in range(6):
        small = cv2.resize(cv2.imread(str(good / f"{number:03d}.png")), (96, 60 + number))
        cv2.imwrite(str(good / f"{number:03d}.png"), small)
    done = calibrated(good, replace=True)
    assert done.skipped == ()
    assert done.caveats[0] == (
        "the samples are of 8 sizes, 96 to 96 pixels wide and 50 to 96 high; each is drawn to the recipe's size, so "
        "that a part of wrong size or proportions cannot be told from a good one"
    )


def test_frames_of_several_sizes_are_no_caveat_where_the_same_pixels_are_cut_from_each(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 12)
    for number in range(6):
        wider = np.pad(cv2.imread(str(good / f"{number:03d}.png")), ((0, 0), (0, 1 + number), (0, 0)), "edge")
        cv2.imwrite(str(good / f"{number:03d}.png"), wider)
    crop = RECIPE.model_copy(update={"crop": Crop(x=0, y=0, width=96, height=96)})
    assert calibrate(good, tmp_path / "bank", Options(recipe=crop, folds=2)).caveats == ()


@pytest.mark.parametrize("written", [None, b"half"], ids=["removed", "overwritten"])
@pytest.mark.parametrize("step", ["embedding patches", "selecting the bank"])
def test_a_sample_that_changes_while_it_is_calibrated_is_named(
    tmp_path: Path, step: str, written: bytes | None
) -> None:
    """It is no fault of the bank's disk, which the error named."""
    good = write_good(tmp_path / "good", 10)

    def track(items: Sequence[T], label: str) -> Sequence[T]:
        if label == step:
            (good / "007.png").unlink()
            if written:
                (good / "007.png").write_bytes(written)
        return items

    moving = Recipe(
        size_wh=(64, 64), vectors=64, whitening=0, shift=0.1, crop=Crop(x=20, y=20, width=50, height=50)
    )  # is decoded again
    with pytest.raises(SamplesError, match=r"good/007\.png: was read, and is not what it was any more \(.+\); leave"):
        calibrate(good, tmp_path / "bank", Options(recipe=moving, folds=2), track=track)
    assert not (tmp_path / "bank").exists()


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_the_command_line_says_what_cannot_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_good(tmp_path / "good", 5)
    (tmp_path / "r.yaml").write_text("{size_wh: [64, 64], vectors: 64}")
    arguments = ("calibrate", good, "-o", tmp_path / "bank", "--recipe", tmp_path / "r.yaml", "--replace")
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    assert "caution    5 samples are too few" in out
    assert json.loads(call(capsys, *arguments, "--json")[1])["caveats"][0].startswith("5 samples")


@pytest.mark.parametrize("command", ["calibrate", "evaluate", "compare"])
def test_a_folder_without_a_picture(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    good = write_good(tmp_path / "good", 4)
    arguments = {
        "calibrate": (tmp_path / "empty", "-o", tmp_path / "b"),
        "evaluate": (bank, tmp_path / "empty"),
        "compare": (good, tmp_path / "empty"),
    }[command]
    code, _, err = call(capsys, command, *arguments)
    assert code == 1
    assert "no picture" in err
    assert err.count("\n") == 1


def test_masks_of_another_size_and_a_test_folder_without_defects(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = write_good(tmp_path / "test" / "good", 3).parent
    told = json.loads(call(capsys, "evaluate", bank, test, "--json")[1])
    assert (told["image_auroc"], told["escape_rate"]) == (None, None)
    assert told["notes"] == ["no defective frames: AUROC, F1 and escape rate cannot be told"]
    (test / "scratch").mkdir()
    (test / "scratch" / "0.png").write_bytes(drawn_part(9, scratched=True))
    (tmp_path / "ground_truth" / "scratch").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "ground_truth" / "scratch" / "0_mask.png"), np.zeros((50, 50), np.uint8))
    told = json.loads(call(capsys, "evaluate", bank, test, "--json")[1])
    assert told["pixel_auroc"] is None
    assert told["notes"] == ["scratch/0_mask.png: the mask is 50x50, its frame 96x96; left out of the pixel figures"]
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((50, 50), 255, np.uint8))
    code, _, err = call(capsys, "calibrate", test / "good", "-o", tmp_path / "b", "--mask", tmp_path / "mask.png")
    assert code == 1
    assert "none of 3 can be used" in err
    assert "got 96x96 pixels, but the region of interest" in err
    assert "of frames of 50x50" in err
