"""Labelled frames in MVTec's layout, and the masks of their defects.

TEST_DIR/good/…  TEST_DIR/<defect>/…  TEST_DIR/../ground_truth/<defect>/<stem>_mask.png (or <stem>.png), if there is one

Other data sets call the good ones ok (BTAD) or normal (VisA): a folder of that name, too, holds good frames.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.errors import SamplesError
from inspector.folder import contents_of
from inspector.recipe import Recipe
from inspector.types import Inspection
from inspector.window import Window, window_of

Levels = NDArray[np.uint8] | NDArray[np.uint16]

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
    """One labelled frame: where it lies, `good` or the name of its defect, and its mask where there is one."""

    path: Path
    label: str
    mask: Path | None


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
        cases.append(Case(path, label, None if label == GOOD else _mask(folders, below.stem)))
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


def mask_of(case: Case, inspection: Inspection, recipe: Recipe) -> tuple[NDArray[np.bool_] | None, str | None]:
    """The mask at the anomaly map's size; all False for a good frame, and where no white of it is left by the crop.

    Returns:
        None, with a note, where it does not fit, or nothing of it is white.
    """
    height, width = inspection.anomaly_map.shape
    if case.label == GOOD:
        return np.zeros((height, width), bool), None
    if case.mask is None:
        return None, None
    name = f"{case.mask.parent.name}/{case.mask.name}"
    if (levels := levels_of(case.mask)) is None:
        return None, f"{name}: the mask does not decode; left out of the pixel figures"
    if (levels.shape[1], levels.shape[0]) != inspection.size_wh:
        got, expected = f"{levels.shape[1]}x{levels.shape[0]}", "{}x{}".format(*inspection.size_wh)
        return None, f"{name}: the mask is {got}, its frame {expected}; left out of the pixel figures"
    white = white_of(levels)
    if not white.any():
        return None, f"{name}: no pixel of it is white; left out of the pixel figures"
    return reduced(white, recipe, (width, height)), None


def levels_of(mask: Path) -> Levels | None:
    """The highest level of any channel, as masks may be drawn in colour: uint8 or uint16 (height, width).

    None where the mask does not decode.

    OpenCV is given bytes: of a name that is no text it cannot make a path.
    """
    try:
        channels = cv2.imdecode(np.frombuffer(mask.read_bytes(), np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (OSError, cv2.error):
        return None
    return None if channels is None or channels.dtype not in (np.uint8, np.uint16) else channels.max(2)


def white_of(levels: Levels) -> NDArray[np.bool_]:
    """Which pixels of a mask, uint8 or uint16 (height, width), are white: bool (height, width).

    Those above half of the range; where none is, levels are numbers of defects, and all but 0 are.
    """
    half = np.iinfo(levels.dtype).max // 2
    return np.asarray(levels > (half if levels.max() > half else 0))


def reduced(white: NDArray[np.bool_], recipe: Recipe, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask of the frame, bool (height, width), at the anomaly map's size.

    A defect so small that it would vanish keeps every pixel that it touches.
    """
    seen, window = _cropped(white, recipe), window_of(recipe)
    mask = np.asarray(cv2.resize(seen.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0)
    if any_counts(mask, window):
        return mask
    left = seen & _cropped(recipe.roi.inside(), recipe) if recipe.roi else seen
    return mask | (cv2.resize(left.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA) > 0)


def _cropped(pixels: NDArray[np.bool_], recipe: Recipe) -> NDArray[np.bool_]:
    crop = recipe.crop
    return pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width] if crop else pixels


def any_counts(mask: NDArray[np.bool_], window: Window | None) -> bool:
    """Whether any of a mask at the anomaly map's size counts."""
    return bool((mask & window.counts if window else mask).any())


def _mask(folders: list[Path], stem: str) -> Path | None:
    suffixes = (*_MASK_SUFFIXES, *(suffix.upper() for suffix in _MASK_SUFFIXES))
    names = [f"{stem}{tail}{suffix}" for tail in ("_mask", "") for suffix in suffixes]
    return next((file for folder in folders for name in names if (file := folder / name).is_file()), None)


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
