"""Which folders hold masks of defects, not frames."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from calibration.evaluation.masks import is_drawn, levels_of
from inspector.errors import SamplesError
from inspector.folder import image_files, is_truth

_USUAL: Final = frozenset({"annotation", "annotations", "groundtruth", "gt", "label", "labels", "mask", "masks"})
"""Names of folders of masks, letters alone, in lower case; those of defects and of parts may be the same."""


def truths_in(folder: Path, pictures: Sequence[Path]) -> frozenset[Path]:
    """Folders of masks among those that the pictures below `folder` lie in.

    By their name; where a defect or a part might be called so too, only if nothing in them is a photograph.
    """
    sure: set[Path] = set()
    maybe: dict[Path, list[Path]] = defaultdict(list)
    for picture in pictures:
        parts = picture.relative_to(folder).parts[:-1]
        places = [folder.joinpath(*parts[: depth + 1]) for depth in range(len(parts))]
        if named := next((place for place in places if is_truth(place.name)), None):
            sure.add(named)
            continue
        for place in places:
            if _is_usual(place.name):
                maybe[place].append(picture)
    return frozenset(sure.union(place for place, inside in maybe.items() if _all_drawn(inside)))


def outside(truths: frozenset[Path], pictures: Iterable[Path]) -> list[Path]:
    """Those of the pictures that lie in none of these folders of masks."""
    return [each for each in pictures if truths.isdisjoint(each.parents)]


def holds_masks(folder: Path) -> bool:
    """Whether a folder is one of masks, by its name and, as in `truths_in`, its pictures."""
    if is_truth(folder.name):
        return True
    try:
        return _is_usual(folder.name) and folder.is_dir() and _all_drawn(image_files(folder))
    except SamplesError:  # a bank, or nobody may look into it: masks or not, none can be used
        return False


def _is_usual(name: str) -> bool:
    return "".join(filter(str.isalpha, name.lower())) in _USUAL


def _all_drawn(pictures: Iterable[Path]) -> bool:
    """Whether all of those that decode may be masks, and one does."""
    drawn = False
    for picture in pictures:
        if (levels := levels_of(picture)) is not None:
            if not is_drawn(levels):
                return False
            drawn = True
    return drawn
