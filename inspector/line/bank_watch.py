"""Sees that another bank lies where a station's bank is, and hands it over once it has shown that it works."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inspector.bank import Stamp, manifest_digest, stamp
from inspector.errors import InspectorError
from inspector.guarded import guarded
from inspector.pipeline import Pipeline

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""How often the banks are looked at: one `stat` each."""

AGAIN_S: Final = 10.0
"""How long after a refusal the same bank is tried again: it may have been copied while it was read."""

FINISH_S: Final = 3.0
"""Seconds that the bank in hand gets at the end; supervisors wait for 30 in all."""

UNUSABLE: Final = (InspectorError, OSError, MemoryError)
"""What opening a bank may raise that speaks of the bank, or of the room for it, and not of a fault of ours."""

_NICE = 10


def why_unusable(error: Exception) -> str:
    """One of UNUSABLE, in words."""
    return f"out of memory ({error})" if isinstance(error, MemoryError) else str(error)


@dataclass(slots=True)
class _Watched:
    digest: str
    looked: bool = False
    seen: Stamp | None = None
    refused_at: float | None = None
    why: str = ""


class BankWatch:
    """One thread, behind the worker in priority; what runs goes on running until `hand_over`.

    running: digest of the running bank by folder. open_bank: opens the bank in a folder and tests it. hand_over: it is
    sound and new. refuse: why what lies there is not taken, each reason told once; None when all is well again. The
    thread calls all of them.
    """

    def __init__(
        self,
        running: Mapping[Path, str],
        *,
        open_bank: Callable[[Path], Pipeline],
        hand_over: Callable[[Path, Pipeline], None],
        refuse: Callable[[Path, str | None], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._watched = {folder: _Watched(digest) for folder, digest in running.items()}
        self._open_bank = open_bank
        self._hand_over = hand_over
        self._refuse = refuse
        self._wake = threading.Event()
        self._behind = False
        self._closing = False
        self._thread = guarded("bank watch", self._run, on_fault)

    def __enter__(self) -> "BankWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Finishes the bank in hand, if that takes no longer than FINISH_S: a network share may hang for ever."""
        self._closing = True
        self._wake.set()
        self._thread.join(FINISH_S)
        if self._thread.is_alive():
            log.error("bank left unread", extra={"seconds": FINISH_S})

    def look(self) -> int:
        """Looks at all banks now, those that were refused included; returns how many they are."""
        for watched in self._watched.values():
            watched.refused_at = None if watched.refused_at is None else -AGAIN_S
        self._wake.set()
        return len(self._watched)

    def _run(self) -> None:
        while not self._closing:
            for folder, watched in self._watched.items():
                self._step_back()
                self._look_at(folder, watched)
            self._wake.wait(EVERY_S)
            self._wake.clear()

    def _step_back(self) -> None:
        """Once a bank runs. The threads that embed begin with the first one: they have the priority of the thread that
        opens it, and keep it.
        """
        if not self._behind and any(watched.digest for watched in self._watched.values()):
            os.nice(_NICE)  # of this thread alone, from whatever the process was given
            self._behind = True

    def _look_at(self, folder: Path, watched: _Watched) -> None:
        found = stamp(folder)
        due = watched.refused_at is not None and time.monotonic() - watched.refused_at >= AGAIN_S
        another = not watched.looked or found != watched.seen
        if not another and not due:
            return
        watched.looked, watched.seen = True, found
        try:
            if found is not None and manifest_digest(folder) == watched.digest:
                self._clear(folder, watched)
                return
            opened = self._open_bank(folder)
        except UNUSABLE as error:
            watched.refused_at = time.monotonic()
            before, watched.why = watched.why, why_unusable(error)
            if another or watched.why != before:
                self._refuse(folder, watched.why)
            return
        watched.digest = opened.bank.ref.digest
        self._hand_over(folder, opened)
        self._clear(folder, watched)

    def _clear(self, folder: Path, watched: _Watched) -> None:
        if watched.refused_at is not None:
            watched.refused_at = None
            self._refuse(folder, None)
