"""The quarantine: bytes that could not be inspected, kept for a person, within bounds; the oldest goes first."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from inspector.durable import HALF, write_file
from inspector.errors import StoreError
from inspector.types import StationId

_SUFFIX = ".bin"
_STATION_CHARACTERS = 150
"""A name of a file has at most 255 bytes."""


class Quarantine:
    """A folder of files named by time, station and digest. Used by one thread."""

    def __init__(self, folder: Path, *, max_bytes: int, max_files: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._sizes: dict[str, int] = {}
        self._total = 0

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return self._total

    def open(self) -> None:
        """Takes stock of the folder; removes what was half written.

        Raises:
            StoreError: the folder cannot be made or read.
        """
        with _mapped(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for half in self._folder.glob(f"*{HALF}"):
                half.unlink()
            found = sorted((path.name, path.stat().st_size) for path in self._folder.glob(f"*{_SUFFIX}"))
        self._sizes = dict(found)
        self._total = sum(self._sizes.values())

    def keep(self, station: StationId, sha256: str, data: bytes, *, received_at: datetime) -> str | None:
        """Writes the bytes durably and returns their id, a file name; None where there is nothing that fits.

        The same frame received at the same time has the same id, so that it can be tried again.

        Raises:
            StoreError: the file cannot be written.
        """
        if not data or len(data) > self._max_bytes:
            return None
        moment = received_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        where = str(station).replace("/", "_")[:_STATION_CHARACTERS]
        name = f"{moment}-{where}-{sha256[:16]}{_SUFFIX}"
        if name not in self._sizes:
            with _mapped(self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)  # somebody may have taken it away
                while self._sizes and not self._fits(len(data)):
                    self._let_go()
                write_file(self._folder / name, data)
            self._sizes[name] = len(data)
            self._total += len(data)
        return name

    def _fits(self, size: int) -> bool:
        return len(self._sizes) < self._max_files and self._total + size <= self._max_bytes

    def _let_go(self) -> None:
        oldest = next(iter(self._sizes))
        (self._folder / oldest).unlink(missing_ok=True)
        self._total -= self._sizes.pop(oldest)


@contextmanager
def _mapped(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"quarantine {folder}: {error.strerror or error}") from error
