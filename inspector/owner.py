"""Ownership of files: what root makes on a machine is given to the user that runs the line."""

import os
from pathlib import Path


def owner_beside(path: Path) -> tuple[int, int]:
    """User and group of what is at `path`, or of the folder that it would be in."""
    about = (path if path.exists() else path.parent).stat()
    return about.st_uid, about.st_gid


def hand_over(made: Path, owner: tuple[int, int]) -> None:
    """Give a file, or a folder with all in it, to its owner. Only root needs to: what others make is theirs already."""
    if os.geteuid() != 0:
        return
    for path in (made, *made.rglob("*")):
        os.chown(path, *owner, follow_symlinks=False)


def open_to_readers(folder: Path) -> None:
    """Let every user read the folder and all in it, with whatever permissions a file was written."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
