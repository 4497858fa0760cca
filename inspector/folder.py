"""Folders of pictures: which files count, in which order."""

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
    """Pictures below `folder`, at any depth, hidden files and folders left out, sorted by path.

    Raises:
        SamplesError: no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise SamplesError(f"{folder}: no such folder; expected a folder of pictures")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in CONTENT_TYPES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
