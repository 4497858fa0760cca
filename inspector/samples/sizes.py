"""How large the samples of a station are: a region of interest goes with frames of one size."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from inspector.errors import FrameError
from inspector.header import upright_size_wh
from inspector.samples.folder import MOST, SampleFolder

Size = tuple[int, int]


def sizes_wh(samples: SampleFolder) -> dict[str, Size]:
    """Width and height in pixels, upright, of each good sample by name; without those that are no pictures.

    Raises:
        SamplesError: the folder cannot be read.
    """
    found: dict[str, Size] = {}
    for name in (one.name for one in samples.samples() if not one.left_out):
        try:
            size_wh = _size_wh(samples.good / name, (samples.good / name).stat().st_mtime_ns)
        except OSError:
            continue  # left out or removed meanwhile
        if size_wh is not None:
            found[name] = size_wh
    return found


def most_frequent(sizes: Mapping[str, Size]) -> Size | None:
    """The size that most samples have, of several the largest; None: there is no sample."""
    counted = Counter(sizes.values())
    return max(counted, key=lambda size: (counted[size], size), default=None)


@lru_cache(2 * MOST)
def _size_wh(file: Path, _changed_ns: int) -> Size | None:
    with file.open("rb") as stream:
        try:
            return upright_size_wh(stream)
        except FrameError:
            return None
