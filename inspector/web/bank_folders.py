"""Where banks are: the folders of the stations' banks, and those beside them, where retired ones stay."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from inspector.bank import file_sha256


class BankFolders:
    """Finds a bank by the digest of its manifest. Threads may share it. banks: the folders of the stations' banks."""

    def __init__(self, banks: Iterable[Path]) -> None:
        self._banks = tuple(banks)
        self._digests: dict[Path, tuple[int, str]] = {}

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
        file = folder / "manifest.json"
        try:
            stamp = file.stat().st_mtime_ns
            known = self._digests.get(file)
            if known is None or known[0] != stamp:
                known = stamp, file_sha256(file)
                self._digests[file] = known
        except OSError:
            return None
        return known[1]
