"""Folders of pictures: which files count, in which order."""

import os
from pathlib import Path

from inspector.errors import SamplesError, UsageError

CONTENT_TYPES = {
    ".bmp": "image/bmp",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
"""Suffixes of pictures, in lower case, with their media types."""


def image_files(folder: Path) -> list[Path]:
    """All pictures below `folder`, at any depth, sorted by path. Links are followed; hidden files and folders and banks
    are left out.

    Raises:
        SamplesError: no such folder, or one that cannot be read: what lies there would be left out silently.
    """
    if not folder.is_dir():
        raise SamplesError(f"{folder}: no such folder; expected a folder of pictures")
    found, seen = [], {folder.resolve()}
    for where, below, names in os.walk(folder, onerror=_refuse, followlinks=True):
        below[:] = [
            name
            for name in below
            if not name.startswith(".") and not is_bank(Path(where, name)) and _is_new(Path(where, name), seen)
        ]
        found += [Path(where, name) for name in names if _is_picture(name) and Path(where, name).is_file()]
    return sorted(found)


def is_bank(folder: Path) -> bool:
    """Whether a bank lies there: it holds small pictures of its samples, which are no samples themselves."""
    try:
        return all((folder / name).is_file() for name in ("manifest.json", "memory.safetensors"))
    except OSError:
        return False  # whoever walks on meets it again, and tells


def refuse_bank(folder: Path, what: str) -> None:
    """Raises UsageError: the folder is a bank or lies in one, which would be refused with another file in it."""
    place = folder.resolve()
    if bank := next((each for each in (place, *place.parents) if is_bank(each)), None):
        raise UsageError(
            f"{what} {folder}: lies in the bank {bank}, which nobody could use then; choose another folder"
        )


def _refuse(error: OSError) -> None:
    raise SamplesError(
        f"{error.filename}: cannot be read ({error.strerror}), so the pictures below it would be left out; make it "
        "readable, or move it elsewhere"
    )


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in CONTENT_TYPES


def _is_new(folder: Path, seen: set[Path]) -> bool:
    """Whether a folder has not been visited yet: links may lead back to one that was. It counts as visited now."""
    place = folder.resolve()
    if place in seen:
        return False
    seen.add(place)
    return True
