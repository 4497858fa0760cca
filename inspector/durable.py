"""Writes that survive a power cut: files and folder entries are on the disk before anybody relies on them."""

import os
from pathlib import Path

HALF = ".tmp"
"""Suffix of a file that is being written."""


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all. What a crash leaves half written lies beside it, under its name with HALF."""
    write_content(path, data)
    sync_dir(path.parent)


def write_content(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """A file, whole or not at all, whose bytes are on the disk; whether its name is, only the folder's sync tells.

    lasting: False for what the next one replaces: nobody waits for the disk, and a power cut may take it.
    """
    half = path.with_name(path.name + HALF)
    try:
        with half.open("wb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        half.rename(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise


def sync_files(folder: Path) -> None:
    """Force all files below a folder, and the folder's own entries, onto the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
    sync_dir(folder)


def sync_dir(folder: Path) -> None:
    """Force the entries of a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
