"""Which frames of a folder are good, which are defective, and where their masks are."""

import shutil
from pathlib import Path

import pytest
from labelled import mask_of_the_scratch
from line import drawn_part

from calibration.cases import find_cases
from inspector.errors import SamplesError


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


@pytest.mark.parametrize("name", ["0_mask.bmp", "0.tif", "0_mask.PNG"])
def test_masks_may_be_of_any_lossless_format(labelled: Path, name: str) -> None:
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


@pytest.mark.parametrize(("frame", "mask"), [("x.png", "x_mask.png"), ("x.bmp", "x_label.bmp"), ("x.jpg", "x.PNG")])
def test_masks_beside_their_frames_are_no_defects(labelled: Path, frame: str, mask: str) -> None:
    """As in Real-IAD and KolektorSDD."""
    for name in (frame, mask):
        (labelled / "scratch" / name).write_bytes(mask_of_the_scratch())
    with pytest.raises(SamplesError, match=rf"scratch/{mask} looks like the mask of .* in .*/ground_truth/scratch$"):
        find_cases(labelled)


def test_masks_among_the_labels_are_no_defects(labelled: Path) -> None:
    (labelled.parent / "ground_truth").rename(labelled / "ground_truth")
    with pytest.raises(SamplesError, match=r"pictures in ground_truth/ are masks, .* in .*/ground_truth$"):
        find_cases(labelled)


def test_masks_are_found_from_inside_the_folder(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(labelled)
    assert sum(len(case.masks) for case in find_cases(Path())) == 3


def test_pictures_that_nothing_labels_are_no_empty_folder(labelled: Path) -> None:
    with pytest.raises(SamplesError, match="4 pictures, none in a folder that labels it; expected good/"):
        find_cases(labelled / "good")
