"""What was read of a bank, kept until another one lies in its folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from inspector.bank import Stamp, stamp, undisturbed

_Found = TypeVar("_Found")


class BankReadings(Generic[_Found]):
    """Reads each bank once. Threads may share it. read: what is wanted of the bank in a folder."""

    def __init__(self, read: Callable[[Path], _Found]) -> None:
        self._read = read
        self._known: dict[Path, tuple[Stamp | None, _Found]] = {}

    def of(self, folder: Path) -> _Found | None:
        """What was read of the bank that is there now; None where there is none. Raises: what `read` raises."""
        found, known = stamp(folder), self._known.get(folder)
        if found is None:
            return None
        if known is None or known[0] != found:
            known = self._known[folder] = undisturbed(partial(stamp, folder), partial(self._read, folder))
        return known[1]
