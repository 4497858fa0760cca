"""The part of the daemon's client ids that nobody can guess.

A broker lets whoever has any password connect under any client id, take over its connection, or end its session with
all that waits in it. So the daemon's ids end in a key, which is made once and kept in the data folder.
"""

import logging
import re
import secrets
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from inspector.durable import HALF, write_file
from inspector.errors import StoreError
from inspector.types import StationId

log = logging.getLogger(__name__)

NAME = "session-key"

_FORMER = "former"
_WRITTEN = re.compile(rf"([0-9a-f]{{32}})( {_FORMER})?\n?")


class SessionKey:
    """text: 32 hexadecimal digits. former: frames may wait in sessions from before there was a key, under ids without
    one.
    """

    def __init__(self, path: Path, text: str, *, former: bool) -> None:
        self.text = text
        self.former = former
        self._path = path
        self._lock = threading.Lock()
        self._awaited: set[StationId] = set()

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """The key of this data folder, made where there is none yet. Call it under the folder's lock, before anything
        else is made there: in a folder that a daemon used before, a new key follows sessions without one.

        Raises:
            StoreError: the key cannot be read or written, or the file holds something else.
        """
        path = data_dir / NAME
        try:
            if path.exists():
                return cls._read(path)
            used = any(there.name not in ("daemon.lock", NAME + HALF) for there in data_dir.iterdir())
            made = cls(path, secrets.token_hex(16), former=used)
            made._write()
            log.info("session key made", extra={"file": str(path)})
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}, expected a file to read and write") from error
        return made

    def await_former(self, station: StationId) -> Callable[[], None]:
        """The former session of that station is to be emptied; call the result when it is. Behind the last of them none
        is looked for any more.
        """
        with self._lock:
            self._awaited.add(station)
        return partial(self._emptied, station)

    def _emptied(self, station: StationId) -> None:
        with self._lock:
            self._awaited.remove(station)
            if self._awaited:
                return
        self.former = False
        try:
            self._write()
        except OSError as error:  # the next start looks once more
            log.warning("session key not written", extra={"fault": str(error)})

    @classmethod
    def _read(cls, path: Path) -> Self:
        written = _WRITTEN.fullmatch(path.read_text(encoding="ascii", errors="replace"))
        if written is None:
            raise StoreError(
                f"{path}: holds no key, expected 32 hexadecimal digits; restore it from a backup, or remove it: then "
                "frames that still wait at the broker stay there"
            )
        return cls(path, written[1], former=written[2] is not None)

    def _write(self) -> None:
        self._path.with_name(NAME + HALF).touch(mode=0o600)  # `write_file` leaves its mode as it is
        write_file(self._path, f"{self.text}{f' {_FORMER}' if self.former else ''}\n".encode())
