"""One rebuild of a station at a time: where candidates lie, who works on one, and how a page starts a rebuild."""

import fcntl
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.errors import SamplesError
from inspector.settings import Settings
from inspector.store.lock import is_locked

_NICE = 10
_PATIENCE_S = 1.0
_START_S = 20.0
_BUSY = "station {}: is being rebuilt already; wait until that is done"


def candidates_folder(settings: Settings, station: str) -> Path:
    """Where a station's candidates lie, each in a folder by its number."""
    return settings.data_dir / "candidates" / station


def is_running(settings: Settings, station: str) -> bool:
    """Whether somebody rebuilds this station: its process holds the lock, which ends with it."""
    return is_locked(candidates_folder(settings, station) / "lock")


@contextmanager
def alone(settings: Settings, station: str) -> Iterator[Path]:
    """The station's folder of candidates, for one process at a time.

    Raises:
        SamplesError: another one works on this station.
    """
    folder = candidates_folder(settings, station)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                # Whoever only looks holds the lock for a moment.
                if time.monotonic() > end:
                    raise SamplesError(_BUSY.format(station)) from error
                time.sleep(0.05)
        yield folder
    finally:
        os.close(lock)


def start(settings: Settings, station: str, *, by: str) -> None:
    """Begins a rebuild in a process of its own, behind the line in priority, and returns when it has begun.

    Raises:
        SamplesError: this station is being rebuilt already, or the process ended before it had begun.
    """
    if is_running(settings, station):
        raise SamplesError(_BUSY.format(station))
    process = multiprocessing.get_context("spawn").Process(target=_rebuild, args=(settings, station, by), daemon=True)
    process.start()
    end = time.monotonic() + _START_S
    while not is_running(settings, station):
        if process.exitcode is not None or time.monotonic() > end:
            break  # it may have been so quick that it is done
        time.sleep(0.05)
    if process.exitcode:
        raise SamplesError(f"station {station}: the rebuild ended with {process.exitcode}; its reason is in the log")


def _rebuild(settings: Settings, station: str, by: str) -> None:
    from calibration.growth.rebuild import rebuild
    from inspector.errors import InspectorError
    from inspector.store import open_database

    os.nice(_NICE)
    with open_database(settings.database_url) as engine:
        try:
            rebuild(settings, engine, station, by=by)
        except InspectorError:
            return  # the candidate's row says why
