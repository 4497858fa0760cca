"""Folders of pictures: which files count, in which order."""

import os
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from inspector.errors import SamplesError, UsageError

CONTENT_TYPES = {
    ".bmp": "image/bmp",
    ".jfif": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
"""Suffixes of pictures, in lower case, with their media types."""

FOREIGN = {
    **dict.fromkeys((".avif", ".avifs"), "AVIF"),
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".j2k", ".jp2", ".jpx"), "JPEG 2000"),
    **dict.fromkeys((".pbm", ".pgm", ".pnm", ".ppm"), "PGM or PPM"),
    **dict.fromkeys((".arw", ".cr2", ".cr3", ".dng", ".nef", ".raw"), "a camera's raw format"),
    ".exr": "OpenEXR",
    ".gif": "GIF",
    ".jxl": "JPEG XL",
    ".psd": "PSD",
    ".tga": "TGA",
    ".webp": "WebP",
}
"""Suffixes of pictures that are not read, in lower case, with the names of their formats."""

CONVERT = "save it as PNG, which loses nothing"
"""What to do with a picture in a format that is not read."""


_NONE = "no picture there"

TRUTH = "ground_truth"
"""The folder of masks, beside the labelled one or in it, as MVTec names it."""


def is_truth(folder: str) -> bool:
    """Whether a folder of that name holds masks, not frames; VisA's is Masks."""
    return folder.lower() in (TRUTH, "masks")


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies below a folder, each sorted by path: pictures; pictures in formats that are not read; and banks, whose
    small pictures are none of these.
    """

    pictures: list[Path]
    foreign: list[Path]
    banks: list[Path]

    @property
    def none_read(self) -> str:
        """In words, where there is no picture that is read."""
        if not self.foreign:
            return _NONE
        first = self.foreign[0]
        named = f"{first.name} ({foreign(first)})"
        return f"{_NONE} but {len(self.foreign)} in formats that are not read, such as {named}"

    @property
    def every(self) -> list[Path]:
        """The pictures, and those that are not read, by path: for whoever tells of each what is wrong with it."""
        return sorted(self.pictures + self.foreign)


def foreign(picture: Path) -> str:
    """The format of a picture that is not read, and what to do."""
    return f"{FOREIGN[picture.suffix.lower()]}; {CONVERT}"


def no_pictures(where: str, got: str = _NONE) -> SamplesError:
    """The refusal of a place without pictures. got: what is there instead, as `none_read` has it."""
    return SamplesError(f"{where}: {got}; expected {', '.join(CONTENT_TYPES)} files, at any depth")


def image_files(folder: Path) -> list[Path]:
    """The pictures below `folder`, as `contents_of` has them. Raises SamplesError: see there."""
    return contents_of(folder).pictures


def contents_of(folder: Path) -> Contents:
    """All that counts below `folder`, at any depth. Hidden files and folders are left out. Links are followed once
    what lies there itself is known, by path: what is reached both ways has the name that does not move with a link.

    Raises:
        SamplesError: no such folder, or one that is a bank or lies in one; or one that cannot be read: what lies there
            would be left out silently.
    """
    if not folder.is_dir():
        what = "is a file," if folder.exists() else "no such folder;"
        raise SamplesError(f"{folder}: {what} expected a folder of pictures")
    if bank := _bank_around(folder):
        what = "is a bank" if bank == folder.resolve() else f"lies in the bank {bank}"
        raise SamplesError(f"{folder}: {what}, whose small pictures are no samples; name the folder they came from")
    pictures: list[Path] = []
    foreign: list[Path] = []
    banks: list[Path] = []
    seen: set[Path] = set()
    starts = [folder]
    while starts:
        if not _is_new(start := heappop(starts), seen):
            continue
        for where, below, names in os.walk(start, onerror=_refuse):
            folders = [Path(where, name) for name in below if not name.startswith(".")]
            banks += [each for each in folders if _is_bank(each)]
            folders = [each for each in folders if each not in banks]
            for link in filter(Path.is_symlink, folders):
                heappush(starts, link)
            below[:] = [each.name for each in folders if not each.is_symlink() and _is_new(each, seen)]
            files = [Path(where, name) for name in names if not name.startswith(".")]
            pictures += [file for file in files if file.suffix.lower() in CONTENT_TYPES and file.is_file()]
            foreign += [file for file in files if file.suffix.lower() in FOREIGN and file.is_file()]
    return Contents(sorted(pictures), sorted(foreign), sorted(banks))


def _is_bank(folder: Path) -> bool:
    """Whether a bank lies there: it holds small pictures of its samples, which are no samples themselves."""
    try:
        return all((folder / name).is_file() for name in ("manifest.json", "memory.safetensors"))
    except OSError:
        return False  # whoever walks on meets it again, and tells


def _bank_around(folder: Path) -> Path | None:
    """The bank that a folder is or lies in, links followed; None: there is none."""
    place = folder.resolve()
    return next((each for each in (place, *place.parents) if _is_bank(each)), None)


def refuse_bank(folder: Path, what: str) -> None:
    """Raises UsageError: the folder is a bank or lies in one, which would be refused with another file in it."""
    if bank := _bank_around(folder):
        raise UsageError(
            f"{what} {folder}: lies in the bank {bank}, which nobody could use then; choose another folder"
        )


def _refuse(error: OSError) -> None:
    raise SamplesError(
        f"{error.filename}: cannot be read ({error.strerror}), so the pictures below it would be left out; make it "
        "readable, or move it elsewhere"
    )


def _is_new(folder: Path, seen: set[Path]) -> bool:
    """Whether a folder has not been visited yet: links may lead back to one that was. It counts as visited now."""
    place = folder.resolve()
    if place in seen:
        return False
    seen.add(place)
    return True
