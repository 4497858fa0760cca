"""Where banks are: the folders of the stations' banks, and those beside them, where retired ones stay."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from inspector.bank import Stamp, manifest_digest, stamp, undisturbed


class BankFolders:
    """Finds a bank by the digest of its manifest. Threads may share it. banks: the folders of the stations' banks."""

    def __init__(self, banks: Iterable[Path]) -> None:
        self._banks = tuple(banks)
        self._digests: dict[Path, tuple[Stamp | None, str]] = {}

    def find(self, digest: str) -> Path | None:
        """The folder of the bank with this digest; None where it is no longer there."""
        return next((folder for folder in self._folders() if self._digest(folder) == digest), None)

    def _folders(self) -> Iterator[Path]:
        banks = dict.fromkeys(bank.resolve() for bank in self._banks)
        yield from banks
        for parent in dict.fromkeys(bank.parent for bank in banks):
            yield from (file.parent for pattern in ("*", "*/*") for file in parent.glob(f"{pattern}/manifest.json"))

    def _digest(self, folder: Path) -> str | None:
        """Of the manifest, which is read only when it has changed."""
        found, known = stamp(folder), self._digests.get(folder)
        if found is None:
            return None
        if known is None or known[0] != found:
            try:
                known = undisturbed(partial(stamp, folder), partial(manifest_digest, folder))
            except OSError:
                return None
            self._digests[folder] = known
        return known[1]
