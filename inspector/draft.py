"""A hidden folder in which something is made before it takes its place, and what kills left of such folders.

Whoever makes one holds a lock on it, which ends with the process however that ends. So a folder that nobody holds was
abandoned, and goes when the next one of its kind is made; one that is being written is never touched. Where the file
system has no locks for folders (NFS), nothing is cleared.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, whose name begins with `prefix`. What is under its name at the end is removed: the
    block may have moved it away, or exchanged it for something that is to go.

    Raises:
        OSError: it cannot be made there.
    """
    clear_abandoned(parent, prefix)
    folder, held = _held(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def clear_abandoned(parent: Path, prefix: str) -> None:
    """Removes the drafts of this kind whose process is gone. Those of other users stay where they may not be read."""
    if not parent.is_dir():
        return
    ours = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")  # as tempfile names them
    for entry in sorted(parent.iterdir()):
        if not ours.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
            continue
        try:
            held = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # gone meanwhile, or somebody else's
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(entry, ignore_errors=True)
        except OSError:
            continue  # being written, or on a file system that cannot tell
        finally:
            os.close(held)


def _held(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder and its lock. Another process may take it for abandoned before it is held: then the next one."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
        except OSError:
            return folder, held  # no locks for folders here: nobody clears them either
        if folder.exists():
            return folder, held
        os.close(held)
