"""The archive: the pictures that operators look at, each under the digest of its bytes."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.errors import StoreError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"[a-z]{1,8}")
_HALF = ".tmp"


class Archive:
    """A folder of files `ab/abcd….png`. Safe from any thread; one process writes, others may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str, suffix: str) -> Path:
        """Where the picture is, or would be.

        Raises:
            StoreError: this is no digest, or no suffix.
        """
        if not _DIGEST.fullmatch(sha256):
            raise StoreError(f"archive: got digest {sha256[:80]!r}, expected 64 hexadecimal digits")
        if not _SUFFIX.fullmatch(suffix):
            raise StoreError(f"archive: got suffix {suffix[:80]!r}, expected one to eight letters, as in png")
        return self._folder / sha256[:2] / f"{sha256}.{suffix}"

    def keep(self, sha256: str, data: bytes, suffix: str) -> None:
        """Writes the picture durably, unless it is there: after this it survives a power cut.

        Raises:
            StoreError: it cannot be written.
        """
        path = self.path(sha256, suffix)
        with self._mapped():
            if path.exists():
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, data)

    def read(self, sha256: str, suffix: str) -> bytes:
        """The picture's bytes.

        Raises:
            StoreError: it is not there, or cannot be read.
        """
        with self._mapped():
            return self.path(sha256, suffix).read_bytes()

    def remove(self, sha256: str, suffix: str) -> int:
        """Deletes the picture, if it is there; returns how many bytes that frees.

        Raises:
            StoreError: it cannot be deleted.
        """
        path = self.path(sha256, suffix)
        with self._mapped():
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0
        return size

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"archive {self._folder}: {error.strerror or error}") from error


def _write(path: Path, data: bytes) -> None:
    half = path.with_name(path.name + _HALF)
    try:
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
