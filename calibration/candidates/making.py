"""A candidate is made: by one process for each station, told in its row of `candidates`, and stopped where asked."""

import _thread
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Engine

from inspector.bank import Bank
from inspector.banks.rebuilding import alone_at_station
from inspector.errors import InspectorError, StoppedError, StoreError
from inspector.progress import Track
from inspector.settings import Settings
from inspector.store import Candidate, Candidates

KEEP: Final = 5
"""How many candidates of a station stay on the disk."""

_TELL_EVERY_S = 0.5
_TRY_AGAIN_S = 10.0
"""After the database could not be told how far it is: each try may wait for it, and the work waits meanwhile."""

_PATIENCE_S = 120.0
"""For so long what a calibration of minutes came to waits for a database that is away."""

_LISTEN_EVERY_S = 0.5

_LET_GO_S = 20.0
"""Work that has not ended so long after it was stopped hangs in a library: its process ends as it is."""

T = TypeVar("T")


class Told:
    """Writes into the candidate's row how far the work is; shows it where it was asked from, too."""

    def __init__(self, store: Candidates, number: int, track: Track) -> None:
        self._store = store
        self._number = number
        self._track = track
        self._next = 0.0

    def __call__(self, items: Sequence[T], label: str, /) -> Iterable[T]:
        """A `Track`."""
        for done, item in enumerate(self._track(items, label)):
            if (now := time.monotonic()) >= self._next:
                self._next = now + _TELL_EVERY_S
                try:
                    self._store.tell(self._number, progress={"step": label, "done": done, "of": len(items)})
                except StoreError:  # it is only looked at; the work goes on
                    self._next = time.monotonic() + _TRY_AGAIN_S
            yield item

    def say(self, **what: Any) -> None:
        """As `Candidates.tell`; a database that is away a while is waited for."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._store.tell(self._number, **what)
            except StoreError:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return

    def built(self, bank: Bank, **what: Any) -> None:
        """The bank is there."""
        ref, limits = bank.ref, bank.manifest.calibration.limits()
        self.say(state="built", path=str(bank.path), digest=ref.digest, id=ref.id, limits=limits, **what)


@dataclass(frozen=True, slots=True)
class Making:
    """A candidate in the making. out: where its bank is to be."""

    row: Candidate
    out: Path
    told: Told


@contextmanager
def making(
    settings: Settings,
    engine: Engine,
    station: str,
    *,
    by: str,
    base: Bank | None,
    track: Track,
    on_begun: Callable[[], object],
    **said: Any,
) -> Iterator[Making]:
    """A new row, to be worked on within the block. What ends the block early is told in the row.

    base: the bank in use; None where there is none. on_begun: called when the row is there. said: what else the
    document begins with.

    Raises:
        SamplesError: somebody works on this station already. StoppedError: somebody stopped the work.
        StoreError: the database cannot be used.
    """
    with alone_at_station(settings, station) as folder:
        _clear(folder)
        store = Candidates(engine)
        if base is not None:
            said["base_limits"] = base.manifest.calibration.limits()
        row = store.begin(station, by=by, base=base.ref if base else None, **said)
        try:
            with _stoppable(store, row.id):
                on_begun()
                yield Making(row, folder / str(row.id), Told(store, row.id, track))
        except BaseException as error:
            stopped_by = store.get(row.id).stopped_by
            fault = f"stopped by {stopped_by}" if stopped_by else _why(error)
            store.tell(row.id, state="failed", fault=fault, progress=None)
            if stopped_by:
                shutil.rmtree(folder / str(row.id), ignore_errors=True)
                raise StoppedError(f"candidate {row.id}: stopped by {stopped_by}") from error
            raise
        _clear(folder, made=folder / str(row.id))


@contextmanager
def _stoppable(store: Candidates, number: int) -> Iterator[None]:
    """Interrupts the main thread, in which the block is to run, once the row says that the work is to stop."""
    over = threading.Event()
    listener = threading.Thread(target=_listen, args=(store, number, over), name="stop", daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()


def _listen(store: Candidates, number: int, over: threading.Event) -> None:
    while not over.wait(_LISTEN_EVERY_S):
        try:
            stopped = store.get(number).stopped_by is not None
        except StoreError:
            continue  # the work meets it by itself, and tells it
        if stopped:
            _thread.interrupt_main()
            if not over.wait(_LET_GO_S):
                os._exit(1)
            return


def _why(error: BaseException) -> str:
    return str(error) if isinstance(error, InspectorError) else f"{type(error).__name__}: {error}"


def _clear(folder: Path, made: Path | None = None) -> None:
    """Older candidates make room, and what a process that ended left behind. Not those of lower numbers: a restored
    ledger, or another one, counts from lower again. made: stays, whatever the clock says.
    """
    numbered = [entry for entry in folder.iterdir() if entry.name.isdecimal()]
    numbered.sort(key=lambda entry: (entry == made, entry.stat().st_mtime))
    for entry in numbered[:-KEEP]:
        shutil.rmtree(entry, ignore_errors=True)
    for entry in folder.glob(".*"):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
