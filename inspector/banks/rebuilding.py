"""One candidate of a station at a time: where candidates lie, who works on one, how a page begins one and stops it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from inspector import alone
from inspector.errors import InspectorError, SamplesError, to_install
from inspector.extras import missing_for_banks
from inspector.file_lock import is_locked
from inspector.samples.asked import Asked
from inspector.settings import Settings
from inspector.store import Candidate, Candidates

_TURN = threading.Lock()
"""Of two who begin at once the second is told of the first: its process would wait, and begin when the first ends."""

_NICE = 15
_STOP_S = 8.0
_BUSY = "station {}: a candidate is being made already; wait until that is done, or stop it"

Work = Callable[[Settings, Engine], None]


def candidates_folder(settings: Settings, station: str) -> Path:
    """Where a station's candidates lie, each in a folder by its number."""
    return settings.data_dir / "candidates" / station


def is_running(settings: Settings, station: str) -> bool:
    """Whether somebody makes a candidate for this station: its process holds the lock, which ends with it."""
    return is_locked(_lock_file(settings, station))


@contextmanager
def alone_at_station(settings: Settings, station: str) -> Iterator[Path]:
    """The station's folder of candidates, for one process at a time.

    Raises:
        SamplesError: another one works on this station.
    """
    with alone.alone(_lock_file(settings, station), _BUSY.format(station)):
        yield candidates_folder(settings, station)


def start(settings: Settings, engine: Engine, station: str, *, by: str) -> int:
    """Begins a rebuild in a process of its own, behind the line in priority.

    Returns: the number of the candidate, which has begun.

    Raises:
        SamplesError: a candidate of this station is being made already, the process ended before it had begun, or
            what makes banks is not installed.
    """
    return _begin(settings, engine, station, partial(_rebuild, station=station, by=by))


def start_calibration(settings: Settings, engine: Engine, station: str, asked: Asked, *, by: str) -> int:
    """Begins a calibration from the station's samples. Returns, Raises: as `start`."""
    return _begin(settings, engine, station, partial(_calibrate, station=station, asked=asked, by=by))


def stop(settings: Settings, engine: Engine, candidate: Candidate, *, by: str) -> None:
    """Tells whoever makes this candidate to end, and waits a while until that has happened."""
    Candidates(engine).tell(candidate.id, stop=by)
    end = time.monotonic() + _STOP_S
    while is_running(settings, candidate.station) and time.monotonic() < end:
        time.sleep(0.1)


def settled(settings: Settings, engine: Engine, candidate: Candidate) -> Candidate:
    """As it is; a candidate on which nobody works any more has failed. Who works at a station makes its newest one."""
    if not candidate.running:
        return candidate
    if candidate.id == _newest(engine, candidate.station) and is_running(settings, candidate.station):
        return candidate
    store = Candidates(engine)
    now = store.get(candidate.id)
    if not now.running:
        return now
    fault = f"stopped by {now.stopped_by}" if now.stopped_by else "its process ended before it was done"
    store.tell(candidate.id, state="failed", fault=fault, progress=None)
    return store.get(candidate.id)


def _begin(settings: Settings, engine: Engine, station: str, work: Work) -> int:
    if missing := missing_for_banks():
        raise SamplesError(f"{missing} is not installed where this page runs; {to_install('bank')}")
    with _TURN:
        if alone.is_busy(_lock_file(settings, station), lambda: _has_ended(engine, station)):
            raise SamplesError(_BUSY.format(station))
        with alone_at_station(settings, station):
            pass  # where that cannot be, whoever asks is told why
        before = _newest(engine, station)
        ended_with = alone.start(_run, (settings, work), lambda: _newest(engine, station) != before)
        newest = _newest(engine, station)
    if newest == before:
        if ended_with is None:
            raise SamplesError(f"station {station}: the work has not begun yet; look again in a minute")
        raise SamplesError(f"station {station}: the work ended before it had begun; its reason is in the page's log")
    return newest


def _lock_file(settings: Settings, station: str) -> Path:
    return candidates_folder(settings, station) / "lock"


def _has_ended(engine: Engine, station: str) -> bool:
    """Whether its newest candidate is told to be done, or there is none."""
    return all(not one.running for one in Candidates(engine).of(station, limit=1))


def _newest(engine: Engine, station: str) -> int:
    """The number of the station's last candidate; 0 where there is none."""
    return next((one.id for one in Candidates(engine).of(station, limit=1)), 0)


def _rebuild(settings: Settings, engine: Engine, *, station: str, by: str) -> None:
    from calibration.candidates.rebuild import rebuild

    rebuild(settings, engine, station, by=by, on_begun=_step_back)


def _calibrate(settings: Settings, engine: Engine, *, station: str, asked: Asked, by: str) -> None:
    from calibration.candidates.anew import calibrate_anew

    calibrate_anew(settings, engine, station, asked, by=by, on_begun=_step_back)


def _run(settings: Settings, work: Work) -> None:
    """In the process of its own. What ends it is in the candidate's row, and in the log where there is no row yet."""
    from inspector.store import open_database

    signal.signal(signal.SIGINT, signal.default_int_handler)  # by which it is stopped; a shell may have it ignored
    try:
        with open_database(settings.database_url) as engine:
            work(settings, engine)
    except InspectorError as error:
        sys.exit(str(error))


def _step_back() -> None:
    """The line's frames go before this process. Not before it has begun: on a busy box that alone could take long.

    Linux's idle class would yield more, and holds up the line: a process that gets no time keeps the ledger locked.
    """
    os.nice(_NICE)
