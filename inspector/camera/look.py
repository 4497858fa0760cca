"""One look into a folder that pictures come into: what lies there, without opening anything."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from inspector.folder import CONTENT_TYPES, is_truth

SENT = "sent"
"""The subfolder of pictures that are published; what lies in it is not looked at."""

_MOST_KINDS = 50


class FileState(NamedTuple):
    """What tells that a file has changed. size: bytes. mtime_ns: when it was last written, nanoseconds since 1970."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """From what the file system says."""
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw, each by its path within the folder.

    pictures: files with a picture's suffix, and their state. foreign: one file of each other suffix, at most fifty.
    masks: one folder of masks of each name, in lower case. closed: what could not be looked at, mostly subfolders, and
    why.
    """

    pictures: dict[str, FileState] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)


def look(folder: Path) -> Look:
    """All regular files below the folder. Hidden ones, links, `sent`, and folders of masks, named `ground_truth` or
    `masks` in any case, are left out. Others that `evaluate` takes for such are not: what is drawn there tells it, and
    of a folder into which parts still come nobody knows that yet.

    Raises:
        OSError: the folder itself cannot be read.
    """
    seen = Look()
    below = [""]
    while below:
        where = below.pop()
        try:
            with os.scandir(folder / where) as entries:
                for entry in entries:
                    place = f"{where}/{entry.name}" if where else entry.name
                    if not entry.name.startswith(".") and place != SENT:
                        _note(seen, below, place, entry)
        except OSError as error:
            if not where:
                raise
            seen.closed[where] = error.strerror or str(error)
    return seen


def _note(seen: Look, below: list[str], place: str, entry: os.DirEntry[str]) -> None:
    suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 (many thousands of names in each look)
    try:
        if entry.is_dir(follow_symlinks=False):
            if is_truth(entry.name):
                seen.masks.setdefault(entry.name.lower(), place)
            else:
                below.append(place)
        elif not entry.is_file(follow_symlinks=False):
            return
        elif suffix in CONTENT_TYPES:
            seen.pictures[place] = FileState.of(entry.stat(follow_symlinks=False))
        elif len(seen.foreign) < _MOST_KINDS:
            seen.foreign.setdefault(suffix, place)
    except FileNotFoundError:
        return  # taken away since the folder was listed
    except OSError as error:
        seen.closed[place] = error.strerror or str(error)
