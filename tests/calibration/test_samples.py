"""Which files make the bank, and which are left out and why."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from labelled import mask_of_the_scratch
from line import drawn_part
from pictures import bomb, smooth_picture, with_opencv

from calibration import samples as reading
from calibration.samples import Samples, evenly, read_samples
from inspector import frame
from inspector.errors import SamplesError
from inspector.patches import picture_of
from inspector.recipe import Crop, Recipe
from inspector.samples.enough import MINIMUM

RECIPE = Recipe(size_wh=(64, 64))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_good(tmp_path / "good", 12)


def left_out(samples: Samples) -> dict[str, str]:
    assert all("\n" not in item.reason for item in samples.skipped)
    return {item.path.name: item.reason for item in samples.skipped}


def test_pictures_in_other_formats_are_named(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    part = cv2.imdecode(np.frombuffer(drawn_part(7), np.uint8), cv2.IMREAD_COLOR)
    (good / "phone").mkdir()
    cv2.imwrite(str(good / "phone" / "a.WEBP"), part)
    (good / "notes.txt").write_text("no picture")
    samples = read_samples(good, RECIPE)
    assert len(samples.files) == 6
    assert left_out(samples) == {"a.WEBP": "a format that is not read: WebP; save it as PNG, which loses nothing"}


def test_jpegs_by_any_usual_suffix_are_samples(tmp_path: Path) -> None:
    for number, suffix in enumerate(("jpg", "JPG", "jpeg", "jfif", "jpe", "JFIF")):
        (tmp_path / f"{number}.{suffix}").write_bytes(with_opencv(smooth_picture(96, 96, number), ".jpg"))
    assert len(read_samples(tmp_path, RECIPE).files) == 6


def test_the_small_pictures_of_a_bank_are_no_samples(bank: Path, tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    shutil.copytree(bank, good / "banks" / "disc")
    samples = read_samples(good, Recipe(size_wh=(64, 64)))
    assert [samples.name(index) for index in range(6)] == [f"{number:03d}.png" for number in range(6)]
    assert [(item.path.name, item.reason.split(",")[0]) for item in samples.skipped] == [("disc", "a bank")]


def test_all_that_is_good_is_taken_in_order_of_its_path(good: Path) -> None:
    samples = read_samples(good, RECIPE)
    assert [samples.name(index) for index in range(12)] == [f"{number:03d}.png" for number in range(12)]
    assert samples.skipped == ()
    assert {file.size_wh for file in samples.files} == {(96, 96)}
    assert len({file.sha256 for file in samples.files}) == 12


def test_folders_are_read_at_any_depth_and_suffixes_in_any_case(good: Path) -> None:
    (good / "deep" / "er").mkdir(parents=True)
    (good / "deep" / "er" / "A.PNG").write_bytes(drawn_part(100))
    (good / "deep" / "b.TIF").write_bytes(with_opencv(smooth_picture(96, 96), ".tiff"))
    names = [read_samples(good, RECIPE).name(index) for index in range(14)]
    assert names[-2:] == ["deep/b.TIF", "deep/er/A.PNG"]


def test_unreadable_files_are_listed_with_the_reason(good: Path) -> None:
    (good / "empty.png").write_bytes(b"")
    (good / "text.jpg").write_text("hello")
    (good / "half.png").write_bytes(drawn_part(200)[:500])
    (good / "bomb.png").write_bytes(bomb())
    (good / "gone.png").symlink_to(good / "nowhere")
    (good / "folder.png").mkdir()
    samples = read_samples(good, RECIPE)
    assert len(samples.files) == 12
    reasons = left_out(samples)
    assert set(reasons) == {"empty.png", "text.jpg", "half.png", "bomb.png"}
    assert "0 bytes" in reasons["empty.png"]
    assert "expected a JPEG, PNG, TIFF or BMP" in reasons["text.jpg"]
    assert "damaged" in reasons["half.png"] or "does not decode" in reasons["half.png"]
    assert "the limit is 64 MP" in reasons["bomb.png"]


def test_hidden_files_and_other_suffixes_do_not_count(good: Path) -> None:
    (good / ".hidden.png").write_bytes(drawn_part(300))
    (good / ".cache").mkdir()
    (good / ".cache" / "a.png").write_bytes(drawn_part(301))
    (good / "notes.txt").write_text("x")
    (good / "Thumbs.db").write_bytes(b"x")
    samples = read_samples(good, RECIPE)
    assert (len(samples.files), samples.skipped) == (12, ())


def test_the_same_bytes_count_once(good: Path) -> None:
    (good / "zz_copy.png").write_bytes((good / "003.png").read_bytes())
    samples = read_samples(good, RECIPE)
    assert len(samples.files) == 12
    assert left_out(samples) == {"zz_copy.png": "the same picture as 003.png"}


def test_an_odd_size_among_equals_is_left_out(good: Path) -> None:
    (good / "odd.png").write_bytes(with_opencv(smooth_picture(50, 96), ".png"))
    samples = read_samples(good, RECIPE)
    assert left_out(samples) == {"odd.png": "96x50 pixels, the others are 96x96"}


def test_where_sizes_vary_by_nature_all_are_taken(good: Path) -> None:
    for side in range(60, 66):
        (good / f"odd{side}.png").write_bytes(with_opencv(smooth_picture(side, side, seed=side), ".png"))
    samples = read_samples(good, RECIPE)
    assert (len(samples.files), samples.skipped) == (18, ())


def test_a_sample_that_does_not_contain_the_crop_is_left_out(good: Path) -> None:
    (good / "small.png").write_bytes(with_opencv(smooth_picture(40, 96), ".png"))
    recipe = Recipe(size_wh=(64, 64), crop=Crop(x=0, y=0, width=90, height=90))
    assert "expected at least 90x90" in left_out(read_samples(good, recipe))["small.png"]


def test_first_takes_the_first_files(good: Path) -> None:
    samples = read_samples(good, RECIPE, first=5)
    assert [samples.name(index) for index in range(5)] == [f"{number:03d}.png" for number in range(5)]
    assert len(samples.files) == 5


@pytest.mark.parametrize(("count", "limit"), [(10, 5), (10, 4), (7, 6), (200, 3), (4, 4), (4, 9)])
def test_a_limit_is_drawn_evenly_over_the_folder(count: int, limit: int) -> None:
    paths = [Path(f"{number:03d}.png") for number in range(count)]
    taken = [int(path.stem) for path in evenly(paths, limit)]
    assert len(taken) == min(count, limit)
    apart = np.diff([*taken, count])
    assert (apart >= count // len(taken)).all()
    assert apart.max() - apart.min() <= 1


def test_a_limit_of_the_first_is_drawn_from_them(good: Path) -> None:
    samples = read_samples(good, RECIPE, first=6, limit=5)
    assert [samples.name(index) for index in range(5)] == ["000.png", "001.png", "002.png", "003.png", "004.png"]


def test_progress_is_told_file_by_file(good: Path) -> None:
    seen = []

    def track(items: list[Path], label: str) -> list[Path]:
        seen.append((len(items), label))
        return items

    read_samples(good, RECIPE, track=track)  # type: ignore[arg-type]
    assert seen == [(12, "reading samples")]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="no such folder; expected a folder of pictures"):
        read_samples(tmp_path / "none", RECIPE)


def test_a_file_is_no_folder(good: Path) -> None:
    with pytest.raises(SamplesError, match="is a file, expected a folder of pictures"):
        read_samples(good / "000.png", RECIPE)


def test_a_whole_data_set_is_no_folder_of_good_samples(tmp_path: Path) -> None:
    """Its defects and masks would be in the bank."""
    write_good(tmp_path / "train" / "good", 12)
    write_good(tmp_path / "test" / "scratch", 2)
    with pytest.raises(SamplesError, match=r"is a whole data set, expected .* did you mean .*/train/good\?$"):
        read_samples(tmp_path, RECIPE)
    (tmp_path / "train").rename(tmp_path / "whole")
    (tmp_path / "ground_truth" / "scratch").mkdir(parents=True)
    with pytest.raises(SamplesError, match=r"is a whole data set, expected the folder of its good samples$"):
        read_samples(tmp_path, RECIPE)


@pytest.mark.parametrize(
    ("folders", "meant"),
    [
        (
            ("Data/Images/Normal", "Data/Images/Anomaly", "Data/Masks/Anomaly"),
            r"; did you mean .*/Data/Images/Normal\?",
        ),
        (("can/test/bad", "can/test/good", "can/train/good"), r"; did you mean .*/can/train/good\?"),
        (("parts", "masks"), "; there are masks in masks"),
    ],
)
def test_a_whole_data_set_is_known_at_any_depth(tmp_path: Path, folders: tuple[str, ...], meant: str) -> None:
    """As those of VisA and MVTec AD 2."""
    for number, folder in enumerate(folders):
        write_good(tmp_path / folder, 4, first_seed=4 * number)
    with pytest.raises(SamplesError, match=rf"is a whole data set, expected the folder of its good samples{meant}$"):
        read_samples(tmp_path, RECIPE)


@pytest.mark.parametrize(
    ("frame", "mask"), [("000.png", "000_GT.png"), ("x.jpg", "x.png"), ("001.png", "001_mask.PNG")]
)
def test_masks_beside_samples_are_no_samples(good: Path, frame: str, mask: str) -> None:
    """Where there are masks, as in KolektorSDD2, some of the frames are defective."""
    if not (good / frame).exists():
        (good / frame).write_bytes(with_opencv(smooth_picture(96, 96), ".jpg"))
    (good.rename(tmp := good.parent / "parts") / mask).write_bytes(mask_of_the_scratch())
    with pytest.raises(SamplesError, match=rf"{mask} is a mask of {frame} beside it, .* expected good samples alone"):
        read_samples(tmp, RECIPE)


@pytest.mark.parametrize("name", ["Label", "gt", "Ground-Truth"])
def test_drawn_masks_in_a_folder_below_are_no_samples(good: Path, name: str) -> None:
    """As in DAGM, where Train holds defective frames too."""
    (good / name).mkdir()
    (good / name / "0003_label.PNG").write_bytes(mask_of_the_scratch())
    with pytest.raises(SamplesError, match=rf"is a whole data set, .* of its good samples; there are masks in {name}$"):
        read_samples(good, RECIPE)


@pytest.mark.parametrize("name", ["labels", "Label", "mask", "label_front"])
def test_good_samples_in_a_folder_that_is_named_like_masks_are_samples(tmp_path: Path, name: str) -> None:
    write_good(tmp_path / name, 6)
    assert len(read_samples(tmp_path, RECIPE).files) == 6
    assert len(read_samples(tmp_path / name, RECIPE).files) == 6


def test_pictures_that_are_only_named_like_masks_are_samples(good: Path) -> None:
    for number in range(2):
        (good / f"{number:03d}_label.png").write_bytes(with_opencv(smooth_picture(96, 96, number), ".png"))
    assert len(read_samples(good, RECIPE).files) == 14


@pytest.mark.parametrize("name", ["train/ok", "Normal", "good"])
def test_good_samples_beside_others_are_meant(tmp_path: Path, name: str) -> None:
    """Who gives the folder above would bank the defects."""
    write_good(tmp_path / name, 6)
    write_good(tmp_path / "Anomaly", 2)
    with pytest.raises(SamplesError, match=rf"is a whole data set, .* did you mean .*/{name}\?$"):
        read_samples(tmp_path, RECIPE)


@pytest.mark.parametrize("name", ["NIO", "n.i.O.", "NG", "lot7/Defects", "scrap"])
def test_a_folder_that_is_named_as_rejects_are_is_no_samples(tmp_path: Path, name: str) -> None:
    """Also where nobody knows what the good ones are called."""
    write_good(tmp_path / "IO", 6)
    write_good(tmp_path / name, 2, first_seed=10)
    with pytest.raises(SamplesError, match=rf": {name} is named as rejects are, .* expected good samples alone"):
        read_samples(tmp_path, RECIPE)
    assert len(read_samples(tmp_path / "IO", RECIPE).files) == 6


@pytest.mark.parametrize("name", ["KO-4711", "defect-free", "no defects", "scrapers"])
def test_a_folder_that_is_named_only_nearly_as_rejects_are_is_samples(tmp_path: Path, name: str) -> None:
    write_good(tmp_path / name, 6)
    assert len(read_samples(tmp_path, RECIPE).files) == 6


@pytest.mark.parametrize("names", [("monday", "tuesday"), ("good",), ("good", "OK")])
def test_folders_that_are_all_good_are_samples(tmp_path: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        write_good(tmp_path / name, 4, first_seed=10 * number)
    assert len(read_samples(tmp_path, RECIPE).files) == 4 * len(names)


def test_pictures_are_kept_while_there_is_room(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "KEPT_BYTES", 3 * 64 * 64 * 3)
    kept = [file.picture for file in read_samples(good, RECIPE).files]
    assert [picture is not None for picture in kept] == [True] * 3 + [False] * 9
    expected, _ = picture_of(frame.decode((good / "000.png").read_bytes()), RECIPE)
    np.testing.assert_array_equal(kept[0], expected)


def test_a_folder_of_other_formats_is_told_from_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(b"RIFF")
    (tmp_path / "b.gif").write_bytes(b"GIF8")
    with pytest.raises(SamplesError, match=r"no picture there but 2 in formats .* a\.webp \(WebP.*\); expected \.bmp"):
        read_samples(tmp_path, RECIPE)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match=r"no picture there; expected \.bmp, \.jfif"):
        read_samples(tmp_path, RECIPE)


def test_too_few_that_can_be_used(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "few", MINIMUM - 1)
    (folder / "aaa.png").write_bytes(b"x")
    with pytest.raises(
        SamplesError, match=r"3 usable of 4, expected at least 4 different pictures: .*; left out: aaa\.png"
    ):
        read_samples(folder, RECIPE)


def test_copies_do_not_make_up_the_number(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "one", 1)
    for number in range(10):
        (folder / f"copy{number}.png").write_bytes((folder / "000.png").read_bytes())
    with pytest.raises(SamplesError, match="1 usable of 11"):
        read_samples(folder, RECIPE)


def test_exif_decides_the_size(good: Path) -> None:
    """A sample is as large as the line would see it."""
    from pictures import with_pillow
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.zeros((96, 60, 3), np.uint8))
    (good / "turned.jpg").write_bytes(with_pillow(turned, "JPEG", exif=exif))
    assert left_out(read_samples(good, RECIPE)) == {"turned.jpg": "96x60 pixels, the others are 96x96"}
