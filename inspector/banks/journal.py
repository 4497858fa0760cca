"""The journal of a bank's place: who exchanged which bank for which, when and why."""

import os
from pathlib import Path

from pydantic import ValidationError

from inspector.errors import BankError
from inspector.types import Exchange


class Move(Exchange):
    """An exchange in the journal. done: False where the process ended before it happened."""

    number: int
    done: bool = False


class Journal:
    """A file with a line of JSON for each exchange, written ahead of it, and once more when it is done."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> tuple[Move, ...]:
        """Each exchange as it was written last, oldest first; none where there is no file.

        Raises:
            BankError: it cannot be read.
        """
        try:
            # Not splitlines(), which also ends lines at characters that a reason may hold.
            lines = self._file.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise BankError(f"shelf {self._file.parent}: {self._file.name} cannot be read ({error})") from error
        found: dict[int, Move] = {}
        for line in lines:
            try:
                move = Move.model_validate_json(line)
            except ValidationError:
                continue  # the end of a line that a crash cut off: it was written ahead, so nothing had happened
            found[move.number] = move
        return tuple(found.values())

    def write(self, move: Move) -> None:
        """Adds a line, which is on the disk afterwards.

        Raises:
            BankError: it cannot be written.
        """
        try:
            with self._file.open("ab") as stream:
                if stream.tell() and not self._file.read_bytes().endswith(b"\n"):
                    stream.write(b"\n")
                stream.write(move.model_dump_json().encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise BankError(
                f"shelf {self._file.parent}: {self._file.name} cannot be written ({error.strerror})"
            ) from error
