"""Folders of pictures: which files count, in which order."""

import os
from pathlib import Path

from inspector.errors import SamplesError

CONTENT_TYPES = {
    ".bmp": "image/bmp",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
"""What counts as a picture, by its suffix in lower case, and its media type."""


def image_files(folder: Path) -> list[Path]:
    """Pictures below `folder`, at any depth and behind links, hidden files and folders left out, sorted by path.

    Raises:
        SamplesError: no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise SamplesError(f"{folder}: no such folder; expected a folder of pictures")
    found, seen = [], {folder.resolve()}
    for where, below, names in os.walk(folder, followlinks=True):
        below[:] = [name for name in below if not name.startswith(".") and _new(Path(where, name), seen)]
        found += [Path(where, name) for name in names if _is_picture(name) and Path(where, name).is_file()]
    return sorted(found)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in CONTENT_TYPES


def _new(folder: Path, seen: set[Path]) -> bool:
    """Whether a folder has not been read yet: links may lead back."""
    place = folder.resolve()
    if place in seen:
        return False
    seen.add(place)
    return True
