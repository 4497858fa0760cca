"""Where pictures go that are published: the newest of them are kept for people to look at."""

import os
import re
from collections import deque
from pathlib import Path

from inspector.camera.look import SENT, FileState

_LONGEST_NAME = 255
_OURS = re.compile(r"(\d{8}T\d{6}\.\d{6}|undated)-[0-9a-f]{16}-.+", re.DOTALL)
"""Begins as the names that `take` gives; what else lies in the folder is left there."""


class Sent:
    """Takes files out of a folder, into its subfolder `sent`. keep: how many stay there; 0 deletes them at once."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.place = folder / SENT
        self.keep = keep
        self._kept: deque[str] | None = None

    def take(self, path: Path, state: FileState, identity: str) -> None:
        """Moves the file away, under its identity and its name; deletes it where none are kept.

        It is moved first and looked at then: what is in another state was written over it in between, and comes back
        to be published.

        Raises:
            OSError: the file stays where it is, or what was moved cannot be looked at or deleted.
        """
        name = _named(identity, path.name)
        moved = self.place / name if self.keep else path.with_name(_named(f".{identity}", path.name))
        try:
            path.rename(moved)
        except FileNotFoundError:
            if self.keep == 0:
                raise
            self.place.mkdir(exist_ok=True)
            path.rename(moved)
        if FileState.of(moved.lstat()) != state:
            _put_back(moved, path, name)
        elif self.keep == 0:
            moved.unlink()
        elif self._kept is not None:
            self._kept.append(name)

    def trim(self) -> None:
        """Deletes the oldest beyond `keep`: those moved longest ago, and before them those of earlier runs.

        Raises:
            OSError: the subfolder cannot be read, or a file in it not be deleted.
        """
        if self.keep == 0:
            return
        if self._kept is None:
            self._kept = deque(sorted(file.name for file in self.place.iterdir() if _OURS.fullmatch(file.name)))
        while len(self._kept) > self.keep:
            (self.place / self._kept.popleft()).unlink(missing_ok=True)


def _put_back(moved: Path, path: Path, name: str) -> None:
    """To its place, or beside it under this name, where one newer still is in its place or the share has no links: to
    rename it to its place would delete what is there.
    """
    try:
        os.link(moved, path)
    except OSError:
        moved.rename(path.with_name(name))
    else:
        moved.unlink()


def _named(identity: str, name: str) -> str:
    """As long as file systems allow, and with the end of the name, where its suffix is."""
    begin = os.fsencode(f"{identity}-")
    return os.fsdecode(begin + os.fsencode(name)[-(_LONGEST_NAME - len(begin)) :])
