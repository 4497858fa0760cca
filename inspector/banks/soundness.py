"""Whether a bank would be refused: every byte of it is read, but only where a file has changed since the last time."""

from functools import lru_cache
from pathlib import Path

from inspector.bank import Bank
from inspector.errors import BankError

_Stamps = tuple[tuple[str, int, int, int, int], ...]
"""Of each file: its path, inode, times of change (of what it holds, and of all else), and size."""


def why_refused(place: Path) -> str | None:
    """Why the bank at `place` is refused; None where it is sound. Threads may call it."""
    try:
        return _why(place, _stamps(place))
    except OSError as error:  # it is exchanged just now, or cannot be reached: the next look may find otherwise
        return f"bank {place}: cannot be read ({error})"


def _stamps(place: Path) -> _Stamps:
    found = ((str(file), file.stat()) for file in sorted(place.rglob("*")) if file.is_file())
    return tuple((name, at.st_ino, at.st_mtime_ns, at.st_ctime_ns, at.st_size) for name, at in found)


@lru_cache(maxsize=64)
def _why(place: Path, _seen: _Stamps) -> str | None:
    try:
        Bank.load(place)
    except BankError as error:
        return str(error)
    return None
