"""Good samples out of a running line: pictures of one station as files, spread evenly over a time."""

import fcntl
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from inspector import contract
from inspector.durable import write_file
from inspector.errors import BrokerError, FrameError, SamplesError, UsageError
from inspector.folder import image_files, refuse_bank
from inspector.frame import decode
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.credentials import passing_id
from inspector.mqtt.identity import Identity
from inspector.samples.folder import SampleFolder
from inspector.samples.naming import DIGEST, digest_of, name_of, named_digest
from inspector.settings import BrokerSettings
from inspector.told import Told
from inspector.types import FrameMessage, StationId

_CONNECT_S = 10.0
_SILENCE_S = 10.0
_LOOK_S = 0.2
_AHEAD = 8


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """What is collected. folder: any, or that of the station. count: how many samples. over_s: the time that they are
    spread over, seconds; 0: as the frames come. beside: the other stations at its camera.
    """

    station: StationId
    folder: Path | SampleFolder
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    count: int = 200
    over_s: float = 0.0
    beside: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"count: got {self.count}, expected at least 1 sample")
        if not 0 <= self.over_s < float("inf"):
            raise UsageError(f"over: got {self.over_s} s, expected 0 or more")


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected. lots: how many samples were written of each lot; None where the camera names none. repeated:
    due pictures that the folder had already. unreadable: due frames that break the contract or do not decode; why:
    what was wrong with the first. seconds: how long it took. trouble: what keeps frames away now; None: nothing.
    """

    lots: Mapping[str | None, int]
    repeated: int
    unreadable: int
    why: str | None
    seconds: float
    trouble: str | None = None

    @property
    def taken(self) -> int:
        """How many samples were written."""
        return sum(self.lots.values())


class Spread:
    """When the next sample is due, so that `count` of them lie evenly in `over_s` seconds from `now` on.

    While nothing comes, those that are left move closer together, within the time that is left. Times are seconds of
    one clock; over_s of 0: always due, without end.
    """

    def __init__(self, count: int, over_s: float, now: float) -> None:
        self.left = count
        self.due = now
        self.end = now + over_s if over_s else float("inf")

    def took(self, now: float) -> None:
        """A sample was taken."""
        self.left -= 1
        self.due = now if self.end == float("inf") else now + max(0.0, self.end - now) / (self.left + 1)

    def is_over(self, now: float) -> bool:
        """Whether all samples were taken, or the time has passed."""
        return self.left == 0 or now >= self.end


def collect(
    options: CollectOptions,
    *,
    stop: threading.Event | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
    on_tally: Callable[[Collected, float], None] = lambda _tally, _next_s: None,
) -> Collected:
    """Writes frames of a station into the folder until there are `count`, the time is over, or `stop` is set.

    A daemon that inspects the station is not disturbed: the broker gives each frame to both. A picture that the folder
    has already is not taken again, nor one that cannot be read, nor that of a check part. Files are named by the time
    of their frame, so that they lie in the order of the line.

    on_notice: a line worth telling a person. on_tally: what there is, and seconds until the next is due; also at the
    end, however it ends.

    Raises:
        BrokerError: the broker cannot be reached, or refuses. Once connected, connections that break are made anew.
        FullError: the station has as many samples as it may have.
        SamplesError: the folder cannot be read or written; what was written stays.
        UsageError: the folder lies in a bank.
    """
    stop = stop if stop is not None else threading.Event()
    collector = _Collector(options, on_notice)
    try:
        with collector.connection:
            _wait_until_up(collector, stop)
            while not stop.wait(_LOOK_S) and not collector.is_over:
                collector.look_around()
                on_tally(collector.collected, collector.next_s)
    finally:
        on_tally(collector.collected, collector.next_s)
    if collector.fault is not None:
        raise collector.fault
    return collector.collected


def _wait_until_up(collector: "_Collector", stop: threading.Event) -> None:
    until = time.monotonic() + _CONNECT_S
    while not collector.was_up.wait(_LOOK_S) and not stop.is_set() and collector.fault is None:
        collector.look_around()
        if time.monotonic() > until:
            raise BrokerError(
                f"{collector.trouble or 'no answer from the broker'}; is it running, and the address right?"
            )


class _Collector:
    """Takes the frames that are due. The connection's thread calls `_changed`, `_failed` and `_arrived`."""

    def __init__(self, options: CollectOptions, on_notice: Callable[[str], None]) -> None:
        self.connection = Connection(
            options.broker,
            Identity(
                passing_id("collect", options.station),
                subscriptions=[(contract.station_topic(options.station, "frame"), 1)],
                receive_maximum=_AHEAD,
            ),
            on_change=self._changed,
            on_fault=self._failed,
            on_message=self._arrived,
        )
        self.fault: BaseException | None = None
        self.trouble: str | None = None
        self.was_up = threading.Event()
        self._options = options
        self._told = Told(on_notice)
        folder = options.folder
        self._place = folder if isinstance(folder, SampleFolder) else _PlainFolder(folder)
        self._known = self._place.digests()
        self._begun = time.monotonic()
        self._spread = Spread(options.count, options.over_s, self._begun)
        self._lots: Counter[str | None] = Counter()
        self._repeated = self._unreadable = 0
        self._why: str | None = None
        self._heard = False

    @property
    def is_over(self) -> bool:
        return self.fault is not None or self._spread.is_over(time.monotonic())

    @property
    def next_s(self) -> float:
        """Seconds until the next sample is due."""
        return max(0.0, self._spread.due - time.monotonic())

    @property
    def collected(self) -> Collected:
        """What there is by now."""
        seconds = time.monotonic() - self._begun
        return Collected(
            self._lots.copy(), self._repeated, self._unreadable, self._why, seconds, self._away or self._silent
        )

    @property
    def _away(self) -> str | None:
        return None if self.trouble is None else f"{self.trouble}; connecting again"

    @property
    def _silent(self) -> str | None:
        if self._heard or not self.was_up.is_set() or time.monotonic() - self._begun <= _SILENCE_S:
            return None
        beside = self._options.beside
        other = f"does it see another product now ({', '.join(beside)}), " if beside else ""
        return (
            f"no frame yet; does the camera run, {other}is it called {self._options.station}, and may this user read "
            f"{contract.station_topic(self._options.station, 'frame')}?"
        )

    def look_around(self) -> None:
        """Tells of a connection that broke or is back, and once of a station that says nothing."""
        for what, wrong, well in (("away", self._away, "connected again"), ("silent", self._silent, "frames come")):
            if wrong is None:
                self._told.over(what, well)
            else:
                self._told.once(what, wrong)

    def _changed(self, trouble: str | None) -> None:
        self.trouble = trouble
        if trouble is None:
            self.was_up.set()

    def _failed(self, error: BaseException) -> None:
        self.fault = error

    def _arrived(self, arrival: Arrival) -> None:
        if not arrival.retain and not self.is_over:  # nobody knows how old a retained frame is
            self._heard = True
            if self.next_s == 0:
                self._take(arrival)
        self.connection.ack(arrival.link, arrival.mid)

    def _take(self, arrival: Arrival) -> None:
        raw = contract.unpack(arrival.payload, content_type=arrival.content_type, properties=arrival.properties)
        if raw.expected is not None:  # a check part is no sample of what the line makes
            return
        if (digest := raw.sha256[:DIGEST]) in self._known:
            self._repeated += 1
            return
        try:
            message = contract.check(self._options.station, raw)
            decode(message.payload)
        except FrameError as error:
            self._unreadable += 1
            self._why = self._why or str(error)
            return
        is_new = self._add(message, arrival.received_at)
        self._known.add(digest)
        if not is_new:
            self._repeated += 1
            return
        self._lots[message.lot] += 1
        self._spread.took(time.monotonic())

    def _add(self, message: FrameMessage, received_at: datetime) -> bool:
        try:
            return self._place.add(message.payload, message.captured_at or received_at) is not None
        except OSError as error:
            raise SamplesError(
                f"{self._options.folder}: cannot be written ({error.strerror}); samples until then: "
                f"{self._lots.total()}; make room, or choose another folder"
            ) from error


class _PlainFolder:
    """Any folder of pictures, at any depth."""

    def __init__(self, folder: Path) -> None:
        refuse_bank(folder, "collect")
        self._folder = folder

    def digests(self) -> set[str]:
        """How the digests of pictures that were collected before begin, by their names."""
        if not self._folder.exists():
            return set()
        return {digest for path in image_files(self._folder) if (digest := named_digest(path.name)) is not None}

    def add(self, payload: bytes, at: datetime) -> str | None:
        """Writes a picture; its name. None: another that collects here has written it. Raises OSError."""
        name = name_of(payload, at)
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._adding():
            if digest_of(payload) in self.digests():
                return None
            write_file(self._folder / name, payload)
        return name

    @contextmanager
    def _adding(self) -> Iterator[None]:
        """One process at a time, where the file system has locks for folders (NFS has none)."""
        held = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):
                fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)
