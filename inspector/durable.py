"""What survives a power cut: files and the entries of their folders are on the disk before anybody relies on them."""

import os
from pathlib import Path

HALF = ".tmp"
"""After the name of a file that is being written."""


def write_file(path: Path, data: bytes) -> None:
    """A new file, whole or not at all; what a crash leaves half written is beside it, with HALF after its name."""
    half = path.with_name(path.name + HALF)
    try:
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


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
