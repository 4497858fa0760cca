"""What survives a power cut: files and the entries of their folders are on the disk before anybody relies on them."""

import os
from pathlib import Path


def sync_files(folder: Path) -> None:
    """All files below a folder, and the folder's own entries, are on the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
    sync_dir(folder)


def sync_dir(folder: Path) -> None:
    """The entries of a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
