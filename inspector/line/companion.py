"""A process that runs beside the daemon: started again when it ends, with growing pauses, and ended with the daemon."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from inspector import leash

log = logging.getLogger(__name__)

Warn = Callable[[str, str | None], None]
"""Told what a warning is about, and the warning in words; None when all is well again."""

_ENDED = "its process {how}, and is begun again and again; the log has its reason"
_PAUSES_S = (1.0, 60.0)
_WELL_S = 5.0
_STEADY_S = 60.0
_STOP_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.2


class Companion:
    """Runs a command as long as the block lasts. Its fate never touches the daemon's.

    warn: told, under its name, that it ended, and None once it runs again for _WELL_S. pauses_s: before the first
    restart, and the longest; each that follows at once is twice the one before.
    """

    def __init__(
        self, name: str, command: Sequence[str], warn: Warn, *, pauses_s: tuple[float, float] = _PAUSES_S
    ) -> None:
        self._name = name
        self._command = command
        self._warn = warn
        self._shortest_s, self._longest_s = pauses_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> "Companion":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause_s = self._shortest_s
        while not self._stop.is_set():
            began = time.monotonic()
            code = self._once()
            if self._stop.is_set():
                return
            lasted_s = time.monotonic() - began
            pause_s = self._shortest_s if lasted_s >= _STEADY_S else pause_s
            told = {"exit_code": code, "after_s": round(lasted_s, 1), "again_in_s": pause_s}
            log.warning("companion ended", extra={"companion": self._name, **told})
            self._warn(self._name, _ENDED.format(how="cannot start" if code is None else f"ended with {code}"))
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, self._longest_s)

    def _once(self) -> int | None:
        """Runs it until it ends or shall end; gives its exit code, None where it could not be started."""
        try:
            process = leash.start(self._command)
        except OSError as error:
            log.warning("companion cannot start", extra={"companion": self._name, "cause": str(error)})
            return None
        log.info("companion started", extra={"companion": self._name, "pid": process.pid})
        well = time.monotonic() + _WELL_S
        while process.poll() is None and not self._stop.wait(_LOOK_EVERY_S):
            if time.monotonic() > well:
                self._warn(self._name, None)
        return leash.end(process, _STOP_WITHIN_S)
