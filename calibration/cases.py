"""Labelled frames in MVTec's layout, and the masks of their defects.

TEST_DIR/good/…  TEST_DIR/<defect>/…  TEST_DIR/../ground_truth/<defect>/<stem>_mask.png (or <stem>.png), if there is one

Other data sets call the good ones ok (BTAD) or normal (VisA): a folder of that name, too, holds good frames.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from inspector.errors import SamplesError
from inspector.folder import contents_of

GOOD: Final = "good"
"""The label of good frames."""

GOOD_NAMES: Final = frozenset({GOOD, "ok", "normal"})
"""Names of folders of good frames, in lower case."""

TRUTH: Final = "ground_truth"
"""The folder of masks, beside the labelled one."""

_MASK_SUFFIXES: Final = (".png", ".bmp", ".tif", ".tiff")
"""In lower case; nothing lossy, which would make levels of its own."""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled frame: where it lies, `good` or the name of its defect, and its masks, if there are any."""

    path: Path
    label: str
    masks: tuple[Path, ...]


def label_of(folder: str) -> str:
    """The label that a folder's name gives the frames in it."""
    return GOOD if folder.lower() in GOOD_NAMES else folder


def good_of(folder: Path) -> Path | None:
    """The folder of good frames that lies in this one; None where there is none."""
    if not folder.is_dir():
        return None
    return next((each for each in sorted(folder.iterdir()) if label_of(each.name) == GOOD and each.is_dir()), None)


def truth_of(test_dir: Path) -> Path:
    """The folder of its masks, whether it is there or not: beside a link to the frames, or beside what it leads to."""
    beside = test_dir.absolute().parent / TRUTH
    return beside if beside.is_dir() else test_dir.resolve().parent / TRUTH


def find_cases(test_dir: Path) -> list[Case]:
    """The labelled frames below `test_dir`, by label and path.

    Masks of frames in folders below their label's lie in folders of the same names; or at the top, where no other of
    these folders has a frame of that name.

    Raises:
        SamplesError: no such folder, no picture in a folder named by its label, or masks among the labels or frames.
    """
    truth = truth_of(test_dir)
    frames: list[tuple[Path, Path]] = []  # a frame, and its path below test_dir
    homes: dict[tuple[str, str], set[Path]] = defaultdict(set)
    contents = contents_of(test_dir)
    for path in contents.pictures:
        below = path.relative_to(test_dir)
        if len(below.parts) > 1:  # beside the label folders: no label, no case
            frames.append((path, below))
            homes[below.parts[0], below.stem].add(below.parent)
    cases = []
    for path, below in frames:
        label = label_of(below.parts[0])
        alone = len(homes[below.parts[0], below.stem]) == 1
        folders = [truth / below.parent, *([truth / label] if alone else [])]
        cases.append(Case(path, label, () if label == GOOD else _masks(folders, below.stem)))
    labels = {case.label for case in cases}
    if GOOD not in labels and good_of(test_dir / "test"):
        raise SamplesError(
            f"test folder {test_dir}: is a whole data set, expected the folder in it that holds {GOOD}/ and one folder "
            f"for each defect; did you mean {test_dir / 'test'}?"
        )
    if TRUTH in labels:
        raise SamplesError(
            f"test folder {test_dir}: pictures in {TRUTH}/ are masks, not frames; expected them beside it, in {truth}"
        )
    _refuse_masks(test_dir, [below for _, below in frames])
    if not cases:
        loose = len(contents.pictures)
        got = f"{loose} pictures, none in a folder that labels it" if loose else contents.none_read
        raise SamplesError(f"test folder {test_dir}: {got}; expected {GOOD}/ and one folder for each defect")
    return cases


def _masks(folders: list[Path], stem: str) -> tuple[Path, ...]:
    suffixes = (*_MASK_SUFFIXES, *(suffix.upper() for suffix in _MASK_SUFFIXES))
    names = [f"{stem}{tail}{suffix}" for tail in ("_mask", "") for suffix in suffixes]
    found = (file for folder in folders for name in names if (file := folder / name).is_file())
    return tuple(islice(found, 1))


def _refuse_masks(test_dir: Path, frames: Sequence[Path]) -> None:
    """Masks beside their frames would be taken for defects: x_mask.png of x.png, or x.png of x.jpg.

    frames: their paths below test_dir.
    """
    defective = [frame for frame in frames if label_of(frame.parts[0]) != GOOD]
    suffixes: dict[tuple[Path, str], set[str]] = defaultdict(set)
    for frame in defective:
        suffixes[frame.parent, frame.stem].add(frame.suffix.lower())
    for frame in defective:
        stem = frame.stem.removesuffix("_mask").removesuffix("_label")
        others = suffixes.get((frame.parent, stem), set())
        if stem == frame.stem:
            others = others - {".png"} if frame.suffix.lower() == ".png" else set()
        if others:
            raise SamplesError(
                f"test folder {test_dir}: {frame} looks like the mask of a frame beside it, not like a frame; expected "
                f"masks in {truth_of(test_dir) / frame.parent}"
            )
