"""The archive: the pictures that operators look at, each under the digest of its bytes."""

import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from inspector.durable import HALF, sync_dir, write_file
from inspector.errors import StoreError
from inspector.store.together import write_files

SHARDS = tuple(f"{number:02x}" for number in range(256))
"""The folders of the archive: the first two digits of the digests in them."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"[a-z]{1,8}")


class Archive:
    """A folder of files `ab/abcd….png`. Safe from any thread; one process writes, others may read.

    max_bytes: above it nothing more is kept; as `measure` has seen it. spare_bytes: nothing is kept either while less
    is free on the disk, so that pictures never take the ledger's place.
    """

    def __init__(self, folder: Path, *, max_bytes: int | None = None, spare_bytes: int = 0) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._spare_bytes = spare_bytes
        self._sizes: dict[str, int] = {}
        self._unreadable: dict[str, str] = {}
        self._held = threading.RLock()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    @property
    def size_bytes(self) -> int:
        """How much is kept, in the folders that were measured."""
        return sum(self._sizes.values())

    def room_bytes(self) -> int:
        """How much the disk takes before only what is left to the ledger is free; below 0 where that is less already.

        Raises:
            StoreError: the folder is not there.
        """
        with self._mapped():
            return shutil.disk_usage(self._folder).free - self._spare_bytes

    @property
    def unreadable(self) -> str | None:
        """Why folders could not be measured the last time, and how many; None when all could be."""
        faults = list(self._unreadable.values())
        if not faults:
            return None
        return faults[0] if len(faults) == 1 else f"{faults[0]} (and {len(faults) - 1} more folders)"

    def held(self) -> AbstractContextManager[object]:
        """Nothing is removed meanwhile: hold it from keeping a picture until the ledger refers to it."""
        return self._held

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
            StoreError: it cannot be written, or there is no room left for it.
        """
        path = self.path(sha256, suffix)
        with self._mapped(), self._held:
            if path.exists():
                return
            self._make_shards([path.parent])
            self._check_room(len(data))
            write_file(path, data)
            if sha256[:2] in self._sizes:
                self._sizes[sha256[:2]] += len(data)

    def keep_together(self, pictures: Iterable[tuple[str, bytes, str]]) -> None:
        """Keeps those of (digest, data, suffix) that can be kept, as `keep` does: sooner, where the disk is slow. Then
        `keep` tells of each whether it is there.
        """
        with self._held:
            files: dict[Path, bytes] = {}
            for sha256, data, suffix in pictures:
                with suppress(StoreError), self._mapped():
                    path = self.path(sha256, suffix)
                    if path not in files and not path.exists():
                        self._folder.mkdir(parents=True, exist_ok=True)
                        self._check_room(sum(map(len, files.values())) + len(data))
                        files[path] = data
            try:
                self._make_shards({path.parent for path in files})
            except OSError:
                return  # `keep` meets it again
            for path in write_files(files):
                if path.parent.name in self._sizes:
                    self._sizes[path.parent.name] += len(files[path])

    def read(self, sha256: str, suffix: str) -> bytes:
        """The picture's bytes.

        Raises:
            StoreError: it is not there, or cannot be read.
        """
        with self._mapped():
            return self.path(sha256, suffix).read_bytes()

    def holds(self, sha256: str, suffix: str) -> bool:
        """Whether the picture is there; it may be damaged nevertheless.

        Raises:
            StoreError: this is no digest, or no suffix, or the folder cannot be read.
        """
        with self._mapped():
            return self.path(sha256, suffix).is_file()

    def remove(self, sha256: str, suffix: str) -> int:
        """Deletes the picture, if it is there; returns how many bytes that frees.

        Raises:
            StoreError: it cannot be deleted.
        """
        path = self.path(sha256, suffix)
        with self._mapped(), self._held:
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0
            if sha256[:2] in self._sizes:
                self._sizes[sha256[:2]] -= size
        return size

    def measure(self, shard: str, *, before: float) -> list[tuple[str, str]]:
        """Takes stock of one of SHARDS: removes what was half written, and returns (digest, suffix) of the pictures
        that were kept before that time, in seconds since 1970; none of a folder that cannot be read, see `unreadable`.
        """
        try:
            total, older = _stock(self._folder / shard, before)
        except OSError as error:
            self._unreadable[shard] = f"archive {self._folder / shard}: {error.strerror or error}"
            return []
        self._unreadable.pop(shard, None)
        with self._held:
            self._sizes[shard] = total
        return older

    def _make_shards(self, shards: Iterable[Path]) -> None:
        missing = [shard for shard in shards if not shard.exists()]
        for shard in missing:
            shard.mkdir(parents=True, exist_ok=True)
        try:
            if missing:
                sync_dir(self._folder)
        except OSError:
            for shard in missing:  # made anew the next time, as nobody knows whether a power cut would take it
                with suppress(OSError):
                    shard.rmdir()
            raise

    def _check_room(self, size: int) -> None:
        if self._max_bytes is not None and self.size_bytes + size > self._max_bytes:
            raise StoreError(
                f"archive {self._folder}: {self.size_bytes / 1e9:.1f} GB are kept, expected room below "
                f"{self._max_bytes / 1e9:.1f} GB; review what waits, or raise retention.max_gb"
            )
        if shutil.disk_usage(self._folder).free < self._spare_bytes + size:
            raise StoreError(
                f"archive {self._folder}: too little is free on the disk, expected more than "
                f"{self._spare_bytes / 1e6:.0f} MB, which are left to the ledger; make room"
            )

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"archive {self._folder}: {error.strerror or error}") from error


def _stock(folder: Path, before: float) -> tuple[int, list[tuple[str, str]]]:
    """Bytes in a folder, and the pictures older than that; what goes or gets its name meanwhile is left out."""
    total, older = 0, []
    for path in _files(folder):
        with suppress(FileNotFoundError):
            about = path.stat()
            if about.st_mtime < before and path.name.endswith(HALF):
                path.unlink()
                continue
            total += about.st_size
            digest, _, suffix = path.name.partition(".")
            if about.st_mtime < before and _DIGEST.fullmatch(digest) and _SUFFIX.fullmatch(suffix):
                older.append((digest, suffix))
    return total, older


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
