"""Which frames of a folder are good, which are defective, and where their masks are."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from labelled import mask_of_the_scratch
from line import drawn_part
from pictures import smooth_picture, with_opencv

from calibration.evaluation.cases import find_cases, without_masks
from inspector.errors import SamplesError
from inspector.folder import contents_of


def test_labels_and_masks_are_found(labelled: Path) -> None:
    (labelled / "readme.png").write_bytes(drawn_part(9))  # beside the label folders: no label
    cases = find_cases(labelled)
    assert [case.label for case in cases] == ["good"] * 4 + ["odd"] * 2 + ["scratch"] * 3
    assert [[mask.name for mask in case.masks] for case in cases[4:]] == [
        [], [], ["0.png"], ["1_mask.png"], ["2_mask.png"]
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["ok", "OK", "normal", "Good"])
def test_good_frames_by_any_name_are_no_defects(labelled: Path, name: str) -> None:
    (labelled / "good").rename(labelled / name)
    assert sorted(case.label for case in find_cases(labelled)) == ["good"] * 4 + ["odd"] * 2 + ["scratch"] * 3


def test_masks_of_nested_frames_are_never_those_of_others(labelled: Path) -> None:
    """Frames of several days or cameras have the same names in folders of their own."""
    truth = labelled.parent / "ground_truth" / "scratch"
    for day in ("mon", "tue"):
        (labelled / "scratch" / day).mkdir()
        for name in ("0", "1"):
            (labelled / "scratch" / day / f"{name}.png").write_bytes(
                (labelled / "scratch" / f"{name}.png").read_bytes()
            )
    (labelled / "scratch" / "tue" / "9.png").write_bytes(drawn_part(9, scratched=True))
    (truth / "9.png").write_bytes(mask_of_the_scratch())
    (truth / "mon").mkdir()
    (truth / "mon" / "0_mask.png").write_bytes(mask_of_the_scratch())
    found = {
        case.path.relative_to(labelled / "scratch").as_posix(): [m.relative_to(truth).as_posix() for m in case.masks]
        for case in find_cases(labelled)
        if case.label == "scratch"
    }
    assert found == {
        "0.png": ["0.png"], "1.png": ["1_mask.png"], "2.png": ["2_mask.png"], "mon/0.png": ["mon/0_mask.png"],
        "mon/1.png": [], "tue/0.png": [], "tue/1.png": [], "tue/9.png": ["9.png"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["0_mask.bmp", "0.tif", "0_mask.PNG", "0_label.bmp", "0_GT.png"])
def test_masks_may_be_of_any_lossless_format_and_any_usual_name(labelled: Path, name: str) -> None:
    truth = labelled.parent / "ground_truth" / "scratch"
    (truth / "0.png").rename(truth / name)
    found = [mask.name for case in find_cases(labelled) for mask in case.masks]
    assert found == [name, "1_mask.png", "2_mask.png"]


def test_masks_of_linked_frames_lie_beside_the_link_or_the_frames(labelled: Path, tmp_path: Path) -> None:
    """As where a data set of one's own is put together of links."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "test").symlink_to(labelled)
    assert sum(len(case.masks) for case in find_cases(tmp_path / "mine" / "test")) == 3
    shutil.move(labelled.parent / "ground_truth", tmp_path / "mine" / "ground_truth")
    assert sum(len(case.masks) for case in find_cases(tmp_path / "mine" / "test")) == 3


def test_all_masks_in_a_folder_named_as_the_frame_are_its_masks(labelled: Path) -> None:
    """As in MVTec LOCO."""
    own = labelled.parent / "ground_truth" / "odd" / "1"
    own.mkdir(parents=True)
    for name in ("000.png", "001.png", "readme.txt"):
        (own / name).write_bytes(mask_of_the_scratch())
    masks = {case.path.stem: case.masks for case in find_cases(labelled) if case.label == "odd"}
    assert masks == {"0": (), "1": (own / "000.png", own / "001.png")}


@pytest.mark.parametrize(
    "place", [Path("test/ground_truth"), Path("Masks"), Path("test/masks"), Path("Ground_Truth")], ids=str
)
def test_masks_lie_beside_the_label_folders_or_among_them(labelled: Path, place: Path) -> None:
    """As in MVTec AD 2 and VisA."""
    (labelled.parent / "ground_truth").rename(labelled.parent / place)
    cases = find_cases(labelled)
    assert sorted(case.label for case in cases) == ["good"] * 4 + ["odd"] * 2 + ["scratch"] * 3
    assert [mask.relative_to(labelled.parent) for case in cases for mask in case.masks] == [
        place / "scratch" / name for name in ("0.png", "1_mask.png", "2_mask.png")
    ]


@pytest.mark.parametrize(
    "name", ["gt", "GT", "mask", "Label", "labels", "GroundTruth", "ground-truth", "ground truth", "annotations"]
)
@pytest.mark.parametrize("place", ["", "test"], ids=["beside", "among"])
def test_masks_in_a_folder_by_any_usual_name_are_no_frames(labelled: Path, name: str, place: str) -> None:
    (labelled.parent / "ground_truth").rename(labelled.parent / place / name)
    cases = find_cases(labelled)
    assert [case.label for case in cases if case.label != "good"] == ["odd"] * 2 + ["scratch"] * 3
    assert [len(case.masks) for case in cases if case.label == "scratch"] == [1, 1, 1]
    frames, masks = without_masks(labelled, contents_of(labelled).pictures)
    assert (len(frames), len(masks)) == (9, 3 if place else 0)


def test_masks_in_a_folder_beside_that_of_their_frames_are_theirs(labelled: Path) -> None:
    scratch = labelled / "scratch"
    for name in ("img", "mask"):
        (scratch / name).mkdir()
    for number, mask in enumerate(("0.png", "1_mask.png", "2_mask.png")):
        (scratch / f"{number}.png").rename(scratch / "img" / f"{number}.png")
        (labelled.parent / "ground_truth" / "scratch" / mask).rename(scratch / "mask" / mask)
    cases = [case for case in find_cases(labelled) if case.label == "scratch"]
    assert [(case.path.parent.name, [mask.name for mask in case.masks]) for case in cases] == [
        ("img", ["0.png"]), ("img", ["1_mask.png"]), ("img", ["2_mask.png"])
    ]  # fmt: skip


@pytest.mark.parametrize("mask", [None, "0.png"], ids=["alone", "masks beside them"])
def test_photographs_in_a_folder_that_is_named_like_masks_are_frames(labelled: Path, mask: str | None) -> None:
    """As where a label, or a mask, is the part, or what is wrong with it."""
    for number in range(3):
        (labelled / "scratch" / f"{number}.png").rename(labelled / "scratch" / f"{number}.bmp")
    (labelled / "scratch").rename(labelled / "Label")
    if mask:
        (labelled / "Label" / mask).write_bytes(mask_of_the_scratch())
    found = [(case.path.name, len(case.masks)) for case in find_cases(labelled) if case.label == "Label"]
    assert found == [("0.bmp", int(bool(mask))), ("1.bmp", 0), ("2.bmp", 0)]


@pytest.mark.parametrize(
    ("frame", "mask"), [("x.png", "x_mask.png"), ("x.bmp", "x_label.bmp"), ("x.jpg", "x.PNG"), ("x.png", "x_GT.png")]
)
@pytest.mark.parametrize("deep", ["", "mon"])
def test_masks_beside_their_frames_are_masks_and_no_frames(labelled: Path, frame: str, mask: str, deep: str) -> None:
    """As in Real-IAD and KolektorSDD."""
    folder = labelled / "scratch" / deep
    folder.mkdir(exist_ok=True)
    (folder / frame).write_bytes(drawn_part(8))
    (folder / mask).write_bytes(mask_of_the_scratch())
    cases = {case.path: case for case in find_cases(labelled)}
    assert cases[folder / frame].masks == (folder / mask,)
    assert folder / mask not in cases
    assert len(cases) == 10


@pytest.mark.parametrize(("name", "other"), [("x.jpg", "x.png"), ("x.png", "x_label.png")])
def test_photographs_that_are_named_like_masks_are_frames(labelled: Path, name: str, other: str) -> None:
    for file in (name, other):
        (labelled / "scratch" / file).write_bytes(with_opencv(smooth_picture(96, 96), Path(file).suffix))
    found = [case for case in find_cases(labelled) if case.path.stem.startswith("x")]
    assert [(case.path.name, case.masks) for case in found] == [(name, ()), (other, ())]


@pytest.mark.parametrize("folder", ["", "kos01"])
def test_where_no_folder_is_that_of_good_frames_a_black_mask_beside_a_frame_says_good(
    tmp_path: Path, folder: str
) -> None:
    """As in KolektorSDD2 and KolektorSDD."""
    black = with_opencv(np.zeros((96, 96), np.uint8), ".png")
    (tmp_path / folder).mkdir(exist_ok=True)
    for number, mask in enumerate([black, mask_of_the_scratch(), black]):
        (tmp_path / folder / f"{number}.png").write_bytes(drawn_part(number))
        (tmp_path / folder / f"{number}_GT.png").write_bytes(mask)
    (tmp_path / folder / "9.png").write_bytes(drawn_part(9))
    found = [(case.path.name, case.label, len(case.masks)) for case in find_cases(tmp_path)]
    kind = folder or "defect"
    assert found[:3] == [("0.png", "good", 1), ("1.png", kind, 1), ("2.png", "good", 1)]
    assert found[3:] == ([("9.png", "kos01", 0)] if folder else [])


@pytest.mark.parametrize(
    ("folders", "meant"),
    [
        (("candle/Images/Normal", "candle/Images/Anomaly", "candle/Masks/Anomaly"), "candle/Images"),
        (("train/good", "test_public/good", "test_public/bad", "validation/good"), "test_public"),
        (("01/test/ko", "01/test/ok", "01/train/ok"), "01/test"),
        (("audiojack/OK/S0001", "audiojack/NG/AK/S0001"), "audiojack"),
        (("test/bad", "train"), "test"),
    ],
    ids=["VisA", "MVTec AD 2", "BTAD", "Real-IAD", "KolektorSDD2"],
)
def test_of_a_whole_data_set_the_folder_of_labelled_frames_is_named(
    tmp_path: Path, folders: tuple[str, ...], meant: str
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0.png").write_bytes(drawn_part(0))
    with pytest.raises(SamplesError, match=rf"is a whole data set, .* did you mean {tmp_path / meant}\?$"):
        find_cases(tmp_path)
    assert {case.label for case in find_cases(tmp_path / meant)} & {"good", "bad"}


def test_a_folder_of_masks_that_cannot_be_read_is_not_passed_over(labelled: Path) -> None:
    folder = labelled.parent / "ground_truth" / "odd"
    folder.symlink_to(folder)
    with pytest.raises(SamplesError, match=r"masks .*/ground_truth/odd: cannot be read \(Too many levels"):
        find_cases(labelled)


def test_masks_are_found_from_inside_the_folder(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(labelled)
    assert sum(len(case.masks) for case in find_cases(Path())) == 3


def test_pictures_that_nothing_labels_are_no_empty_folder(labelled: Path) -> None:
    with pytest.raises(SamplesError, match="4 pictures, none in a folder that labels it; expected good/"):
        find_cases(labelled / "good")
