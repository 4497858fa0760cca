"""One rebuild of a station at a time: where candidates lie, who works on one, and how a page starts a rebuild."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from inspector import alone as process
from inspector.errors import SamplesError
from inspector.settings import Settings
from inspector.store.lock import is_locked

_NICE = 10
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
    with process.alone(folder / "lock", _BUSY.format(station)):
        yield folder


def start(settings: Settings, station: str, *, by: str) -> None:
    """Begins a rebuild in a process of its own, behind the line in priority, and returns when it has begun.

    Raises:
        SamplesError: this station is being rebuilt already, or the process ended before it had begun.
    """
    if is_running(settings, station):
        raise SamplesError(_BUSY.format(station))
    ended_with = process.start(_rebuild, (settings, station, by), partial(is_running, settings, station))
    if ended_with:
        raise SamplesError(f"station {station}: the rebuild ended with {ended_with}; its reason is in the log")


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
