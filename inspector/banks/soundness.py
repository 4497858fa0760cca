"""Whether a bank would be refused: every byte of it is read, but only where a file has changed since the last time."""

from functools import partial
from pathlib import Path

from inspector.bank import Bank, stamp, undisturbed
from inspector.errors import BankError

_Stamps = tuple[tuple[str, int, int, int, int], ...]
"""Of each file: its path, inode, times of change (of what it holds, and of all else), and size."""

_KNOWN: dict[Path, tuple[_Stamps, str | None]] = {}


def why_refused(place: Path) -> str | None:
    """Why the bank at `place` is refused; None where it is sound. Threads may call it."""
    try:
        seen, known = _stamps(place), _KNOWN.get(place)
        if known is None or known[0] != seen:
            known = seen, undisturbed(partial(stamp, place), partial(_why, place))[1]
            if _stamps(place) == seen:  # else it is told now, and not of the bank that was seen
                _KNOWN[place] = known
        return known[1]
    except OSError as error:  # it is exchanged just now, or cannot be reached: the next look may find otherwise
        return f"bank {place}: cannot be read ({error})"


def _stamps(place: Path) -> _Stamps:
    found = ((str(file), file.stat()) for file in sorted(place.rglob("*")) if file.is_file())
    return tuple((name, at.st_ino, at.st_mtime_ns, at.st_ctime_ns, at.st_size) for name, at in found)


def _why(place: Path) -> str | None:
    try:
        Bank.load(place)
    except BankError as error:
        return str(error)
    return None
