"""Labelled frames, and the masks of their defects: which file is what, by where it lies and how it is named.

TEST_DIR/good/…  TEST_DIR/<defect>/…  beside it, or in it: ground_truth/<defect>/<stem>_mask.png, or <stem>/….png

That is MVTec's layout. Other data sets call the good ones ok or normal, the masks' folder Masks, Label or gt, and a
mask <stem>.png, <stem>_label.bmp or <stem>_GT.png; and some have masks beside the frames, or in a folder there. Such
names mean the same everywhere.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from calibration.evaluation.masks import is_drawn, levels_of
from calibration.evaluation.truth import holds_masks, outside, truths_in
from inspector.errors import SamplesError
from inspector.folder import TRUTH, Contents, contents_of, is_truth

GOOD: Final = "good"
"""The label of good frames."""

GOOD_NAMES: Final = frozenset({GOOD, "ok", "normal"})
"""Names of folders of good frames, in lower case."""

_REJECT_NAMES: Final = frozenset(
    {"anomaly", "bad", "defect", "defective", "defects", "ko", "ng", "nio", "nok", "scrap"}
)
"""Names of folders of rejects, letters and digits alone, in lower case."""

DEFECT: Final = "defect"
"""The label of a defective frame that lies in no folder of its defect."""

_TRAINING: Final = frozenset({"train", "training", "validation", "val"})
"""Folders of a data set that are not there to be tested on, in lower case."""

_TAILS: Final = ("_mask", "_label", "_gt", "_GT")
"""What names a mask after its frame."""

_SUFFIXES: Final = (".png", ".bmp", ".tif", ".tiff")
"""Of masks, in lower case; nothing lossy, which would make levels of its own."""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled frame: where it lies, `good` or the name of its defect, and its masks: none, one or several.

    Those of a good frame mean nothing; they are all black, or should be.
    """

    path: Path
    label: str
    masks: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """Masks that lie beside their frame. black: nothing is white in any of them, so the frame is good."""

    masks: tuple[Path, ...]
    black: bool


def label_of(folder: str) -> str:
    """The label that a folder's name gives the frames in it."""
    return GOOD if folder.lower() in GOOD_NAMES else folder


def is_reject(folder: str) -> bool:
    """Whether a folder of that name holds rejects, of any kind, by a name that is usual for them: `NG`, `n.i.O.`."""
    return "".join(filter(str.isalnum, folder.lower())) in _REJECT_NAMES


def truth_of(test_dir: Path) -> Path:
    """The folder of its masks, whether it is there or not: in it, beside a link to the frames, or beside what it leads
    to.
    """
    beside, behind = test_dir.absolute().parent, test_dir.resolve().parent
    found = (each for place in (test_dir, beside, behind) for each in _truths(place))
    return next(found, behind / TRUTH)


def find_cases(test_dir: Path) -> list[Case]:
    """The labelled frames below `test_dir`, by label and path. Raises SamplesError: see `cases_in`, `contents_of`."""
    return cases_in(test_dir, contents_of(test_dir))


def cases_in(test_dir: Path, contents: Contents) -> list[Case]:
    """The labelled frames among what lies below `test_dir`, by label and path.

    Masks of frames in folders below their label's lie in folders of the same names; or at the top, where no other of
    these folders has a frame of that name; or in a folder of masks beside the frame or its folder. Where there is no
    folder of good frames, those with a black mask beside them are good.

    Raises:
        SamplesError: no picture in a folder named by its label, a whole data set, or masks that cannot be read.
    """
    inside = truths_in(test_dir, contents.pictures)
    pictures = outside(inside, contents.pictures)
    _refuse_data_set(test_dir, pictures)
    beside = masks_beside(pictures)
    masks = {mask for each in beside.values() for mask in each.masks}
    frames = [(path, path.relative_to(test_dir)) for path in pictures if path not in masks]
    sorted_out = any(label_of(below.parts[0]) == GOOD for _, below in frames if len(below.parts) > 1)
    homes: dict[tuple[str, str], set[Path]] = defaultdict(set)
    for _, below in frames:
        homes[below.parts[0], below.stem].add(below.parent)
    truth, listed = truth_of(test_dir), cache(_listed)
    cases = []
    for path, below in frames:
        by_mask = beside.get(path)
        if len(below.parts) > 1:
            label = label_of(below.parts[0])
        elif by_mask and not sorted_out:
            label = DEFECT
        else:  # beside the label folders: no label, no case
            continue
        if by_mask and by_mask.black and not sorted_out:
            label = GOOD
        alone = len(homes[below.parts[0], below.stem]) == 1
        near = (path.parent, path.parent.parent) if alone else (path.parent,)
        own = sorted(each for each in inside if each.parent in near and each.parent != test_dir)
        folders = [truth / below.parent, *([truth / below.parts[0]] if alone else []), *own]
        found = _masks(folders, below.stem, listed) or (by_mask.masks if by_mask else ())
        cases.append(Case(path, label, found))
    if not cases:
        got = f"{len(frames)} pictures, none in a folder that labels it" if frames else contents.none_read
        raise SamplesError(f"test folder {test_dir}: {got}; expected {GOOD}/ and one folder for each defect")
    return cases


def without_masks(folder: Path, pictures: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The frames among the pictures below `folder`; and the masks, in folders of masks and beside frames."""
    frames = outside(truths_in(folder, pictures), pictures)
    masks = set(pictures).difference(frames).union(*(each.masks for each in masks_beside(frames).values()))
    return [each for each in pictures if each not in masks], [each for each in pictures if each in masks]


def masks_beside(pictures: Sequence[Path]) -> dict[Path, Beside]:
    """Those of the pictures that are masks of others beside them, by their frames.

    A mask is called as its frame, with _mask, _label or _GT; or it is a .png of the same name in a folder of defects.
    What is a photograph is none, whatever its name.
    """
    named: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for picture in pictures:
        named[picture.parent, picture.stem].append(picture)
    found: dict[Path, list[Path]] = defaultdict(list)
    black: dict[Path, bool] = {}
    for (folder, stem), same in named.items():
        base = next((stem.removesuffix(tail) for tail in _TAILS if stem.endswith(tail)), stem)
        for picture in same:
            if base != stem:
                frames = named.get((folder, base), [])
            elif picture.suffix.lower() == ".png" and label_of(folder.name) != GOOD:
                frames = [other for other in same if other.suffix.lower() != ".png"]
            else:
                continue
            if frames and ((levels := levels_of(picture)) is None or is_drawn(levels)):
                found[frames[0]].append(picture)
                black[picture] = levels is not None and not levels.any()
    return {frame: Beside(tuple(masks), all(black[mask] for mask in masks)) for frame, masks in found.items()}


def good_folders(folder: Path, pictures: Sequence[Path]) -> list[Path]:
    """Folders of good samples below one that holds more than these, as data sets do: other labels beside them, or what
    is there to be tested. Those to be trained on come first.
    """
    beside: dict[Path, set[str]] = defaultdict(set)
    for picture in pictures:
        *parts, _ = picture.relative_to(folder).parts
        for depth, part in enumerate(parts):
            beside[folder.joinpath(*parts[:depth])].add(part)
    trained = {place for place in beside if place != folder and place.name.lower() in _TRAINING}
    found = [
        place / name
        for place, names in beside.items()
        for name in names
        if label_of(name) == GOOD and (place in trained or {label_of(other) for other in names} != {GOOD})
    ]
    return sorted(found, key=lambda good: (good.parent not in trained, good))


def _refuse_data_set(test_dir: Path, pictures: Sequence[Path]) -> None:
    """Frames of a whole data set would be labelled `train` and `test`."""
    paths = {picture.relative_to(test_dir).parts[:-1] for picture in pictures}
    top = {parts[0] for parts in paths if parts}
    good = {parts[:depth] for parts in paths for depth in range(1, len(parts)) if label_of(parts[depth]) == GOOD}
    if any(label_of(name) == GOOD for name in top) or not (good or any(name.lower() in _TRAINING for name in top)):
        return
    places = [*sorted(good), *((name,) for name in sorted(top) if name.lower().startswith("test"))]
    tested = next((parts for parts in places if not any(part.lower() in _TRAINING for part in parts)), None)
    meant = f"; did you mean {test_dir.joinpath(*tested)}?" if tested else ""
    raise SamplesError(
        f"test folder {test_dir}: is a whole data set, expected the folder in it that holds {GOOD}/ and one folder "
        f"for each defect{meant}"
    )


def _masks(folders: Sequence[Path], stem: str, listed: Callable[[Path], frozenset[str]]) -> tuple[Path, ...]:
    """The mask of a frame of that name in the first folder that has one; or all in its own folder there, as in LOCO."""
    suffixes = (*_SUFFIXES, *(suffix.upper() for suffix in _SUFFIXES))
    names = [f"{stem}{tail}{suffix}" for tail in (*_TAILS, "") for suffix in suffixes]
    for folder in folders:
        if name := next((name for name in names if name in listed(folder)), None):
            return (folder / name,)
        if stem in listed(folder):
            parts = sorted(part for part in listed(folder / stem) if part.endswith(suffixes))
            return tuple(folder / stem / part for part in parts)
    return ()


def _truths(place: Path) -> Iterator[Path]:
    """Folders of masks in another, which may be one that nobody may list: ground_truth first, then masks."""
    try:
        inside = sorted(place.iterdir(), key=lambda each: (not is_truth(each.name), each.name.lower()))
    except OSError:
        inside = [place / TRUTH] if (place / TRUTH).is_dir() else []
    return filter(holds_masks, inside)


def _listed(folder: Path) -> frozenset[str]:
    """Names of all that lies in a folder of masks; none where there is no such folder.

    Raises:
        SamplesError: it cannot be read, so that its masks would be missed silently.
    """
    try:
        return frozenset(each.name for each in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise SamplesError(f"masks {folder}: cannot be read ({error.strerror}); make it readable") from error
