"""Where banks are: the folders of the stations' banks, and those beside them, where retired ones stay."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from inspector.bank import manifest_digest
from inspector.web.bank_readings import BankReadings


class BankFolders:
    """Finds a bank by the digest of its manifest. Threads may share it. banks: the folders of the stations' banks."""

    def __init__(self, banks: Iterable[Path]) -> None:
        self._banks = tuple(banks)
        self._digests = BankReadings(manifest_digest)

    def find(self, digest: str) -> Path | None:
        """The folder of the bank with this digest; None where it is no longer there."""
        return next((folder for folder in self._folders() if self._digest(folder) == digest), None)

    def _folders(self) -> Iterator[Path]:
        banks = dict.fromkeys(bank.resolve() for bank in self._banks)
        yield from banks
        for parent in dict.fromkeys(bank.parent for bank in banks):
            yield from (file.parent for pattern in ("*", "*/*") for file in parent.glob(f"{pattern}/manifest.json"))

    def _digest(self, folder: Path) -> str | None:
        try:
            return self._digests.of(folder)
        except OSError:
            return None
