"""Collections that a page starts: one of a station at a time, a process of its own that goes on without the page."""

import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from inspector import alone, logs
from inspector.errors import InspectorError, SamplesError
from inspector.file_lock import is_locked
from inspector.samples.collect import Collected, CollectOptions, collect
from inspector.samples.collection import Collection, named_lots, read, write, write_end
from inspector.samples.folder import MOST, FullError, SampleFolder
from inspector.settings import Settings
from inspector.signalled import set_by_signal
from inspector.types import StationId

log = logging.getLogger(__name__)

LONGEST_S = 24 * 3600.0
"""A collection without a time ends after it: nobody may think of it any more."""

_TURN = threading.Lock()
"""Of two who begin at once the second is told of the first."""

_NICE = 10
_TELL_EVERY_S = 1.0
_LOOK_EVERY_S = 0.2
_GONE = "its process ended before it was done"
_BUSY = "station {}: samples are being collected already; wait until that is done, or stop it"


def start(settings: Settings, station: str, *, by: str, count: int, over_s: float) -> None:
    """Begins to collect into the station's folder, behind the line in priority, and returns when it has begun.

    Raises:
        FullError: the station has as many samples as it may have.
        SamplesError: samples of it are being collected already, the folder cannot be written, or the process ended
            before it had begun.
    """
    samples = SampleFolder(settings.data_dir, station)
    with _TURN:
        if alone.is_busy(_lock_file(samples), lambda: _has_ended(samples)):
            raise SamplesError(_BUSY.format(station))
        samples.refuse_full()
        begun = Collection(
            id=secrets.token_hex(8), by=by, begun=datetime.now(UTC), count=min(count, MOST), over_s=over_s
        )
        ended_with = alone.start(_run, (settings, station, begun), partial(_has_begun, samples, begun.id))
    if not _has_begun(samples, begun.id):
        if (now := present(samples)) is not None and now.state == "running":  # begun by another process meanwhile
            raise SamplesError(_BUSY.format(station))
        raise SamplesError(f"station {station}: collecting ended with {ended_with}; its reason is in the log")
    log.info("collection begun", extra={"station": station, "by": by, "count": count, "over_s": over_s})


def stop(settings: Settings, station: str, *, by: str) -> bool:
    """Ends the station's collection, whichever page began it, within a moment; whether there was one."""
    samples = SampleFolder(settings.data_dir, station)
    now = present(samples)
    if now is None or now.state != "running":
        return False
    try:
        _stop_file(samples).write_text(f"{now.id}\n{by}")
    except OSError as error:
        raise SamplesError(f"{samples.folder}: cannot be written ({error.strerror}); make it writable") from error
    log.info("collection stopped", extra={"station": station, "by": by, "taken": now.taken})
    return True


def stop_all(settings: Settings) -> None:
    """The page ends in order: so do the collections."""
    for station in settings.station_names:
        try:
            stop(settings, station, by="the end of the page")
        except SamplesError as error:
            log.warning("collection not stopped", extra={"station": station, "cause": str(error)})


def present(samples: SampleFolder) -> Collection | None:
    """The last collection as it is now; None: there was none. One whose process is gone has failed.

    Raises:
        SamplesError: what it told cannot be read.
    """
    told = read(samples)
    if told is None or told.state != "running" or is_locked(_lock_file(samples)):
        return told
    told = read(samples)  # it may have told its end before it let go
    return told if told is None or told.state != "running" else told.but(state="failed", ended=_GONE, trouble=None)


def _has_ended(samples: SampleFolder) -> bool:
    last = _last(samples)
    return last is not None and last.state != "running"


def _has_begun(samples: SampleFolder, name: str) -> bool:
    last = _last(samples)
    return last is not None and last.id == name


def _last(samples: SampleFolder) -> Collection | None:
    """What the last one told; None also where that is damaged: the next one is about to replace it."""
    try:
        return read(samples)
    except SamplesError:
        return None


def _lock_file(samples: SampleFolder) -> Path:
    return samples.folder / "collecting.lock"


def _stop_file(samples: SampleFolder) -> Path:
    return samples.folder / "stop"


def _run(settings: Settings, station: str, begun: Collection) -> None:
    """The process. What keeps it from beginning is in the log."""
    logs.configure()
    try:
        _work(settings, station, begun)
    except SamplesError as error:
        sys.exit(str(error))


def _work(settings: Settings, station: str, begun: Collection) -> None:
    os.nice(_NICE)
    samples = SampleFolder(settings.data_dir, station)
    with alone.alone(_lock_file(samples), _BUSY.format(station)), _Stop(samples, begun) as stop:
        told = _Told(samples, begun)
        told.tell()
        options = CollectOptions(
            StationId.parse(station),
            samples,
            settings.broker,
            begun.count,
            begun.over_s,
            beside=settings.beside(settings.station(station)),
        )
        try:
            collect(options, stop=stop.event, on_tally=told.tally)
        except FullError as error:
            told.end("stopped", str(error))
        except InspectorError as error:
            told.end("failed", str(error))
        except BaseException as error:
            told.end("failed", f"{type(error).__name__}: {error}")
            raise
        else:
            told.end("done" if stop.why is None else "stopped", stop.why or "its time is over")


class _Stop:
    """Watches for what ends a collection early: the page asks for it, a signal comes, or a day is over. why: which."""

    def __init__(self, samples: SampleFolder, begun: Collection) -> None:
        self.event = threading.Event()
        self.why: str | None = None
        self._file = _stop_file(samples)
        self._id = begun.id
        self._until = time.monotonic() + max(LONGEST_S, begun.over_s + LONGEST_S / 24)
        self._thread = threading.Thread(target=self._watch, name="stop", daemon=True)

    def __enter__(self) -> "_Stop":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._told_to_end())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.event.set()
        self._thread.join()

    def _told_to_end(self) -> None:
        self.why = self.why or "its process was told to end"
        set_by_signal(self.event)

    def _because(self, why: str) -> None:
        self.why = self.why or why
        self.event.set()

    def _watch(self) -> None:
        while not self.event.wait(_LOOK_EVERY_S):
            if (by := self._asked_by()) is not None:
                self._because(f"stopped by {by}")
            elif time.monotonic() > self._until:
                self._because("a day is over")

    def _asked_by(self) -> str | None:
        """Who stopped this one; an older one may have been stopped before."""
        try:
            name, _, by = self._file.read_text().partition("\n")
        except OSError:  # not there, or away for a moment: it is looked for again
            return None
        return by if name == self._id and by else None


class _Told:
    """Writes how far it is, at most once in _TELL_EVERY_S, where something has changed."""

    def __init__(self, samples: SampleFolder, begun: Collection) -> None:
        self._samples = samples
        self._now = self._written = begun
        self._next = 0.0

    def tell(self) -> None:
        """Now."""
        self._write(write)
        self._written = self._now
        self._next = time.monotonic() + _TELL_EVERY_S

    def tally(self, collected: Collected, next_s: float) -> None:
        """What there is, and in how many seconds the next sample is due."""
        due = self._now.due
        if due is None or collected.taken != self._now.taken:
            due = datetime.now(UTC) + timedelta(seconds=next_s)
        self._now = self._now.but(
            taken=collected.taken,
            repeated=collected.repeated,
            unreadable=collected.unreadable,
            why=collected.why,
            trouble=collected.trouble,
            due=due,
            **named_lots(collected.lots),
        )
        if self._now != self._written and time.monotonic() >= self._next:
            self.tell()

    def end(self, state: str, why: str) -> None:
        """The last word; why: where fewer were taken than asked for."""
        enough = self._now.taken >= self._now.count
        self._now = self._now.but(
            state="done" if enough else state, ended=None if enough else why, trouble=None, due=None
        )
        log.info(
            "collection ended",
            extra={"samples": str(self._samples.folder), "taken": self._now.taken, "why": self._now.ended},
        )
        self._write(write_end)

    def _write(self, by: Callable[[SampleFolder, Collection], None]) -> None:
        try:
            by(self._samples, self._now)
        except OSError as error:
            raise SamplesError(
                f"{self._samples.folder}: cannot be written ({error.strerror}); make room, or make it writable"
            ) from error
