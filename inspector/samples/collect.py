"""Good samples out of a running line: pictures of one station as files, spread evenly over a time."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from inspector import contract
from inspector.durable import write_file
from inspector.errors import BrokerError, FrameError, SamplesError, UsageError
from inspector.folder import image_files, refuse_bank
from inspector.frame import decode, suffix_of
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.credentials import passing_id
from inspector.mqtt.identity import Identity
from inspector.settings import BrokerSettings
from inspector.told import Told
from inspector.types import FrameMessage, StationId

_CONNECT_S = 10.0
_SILENCE_S = 10.0
_LOOK_S = 0.2
_AHEAD = 8
_DIGEST = 12
_NAMED_DIGEST = re.compile(rf"-([0-9a-f]{{{_DIGEST}}})\.[a-z]+")


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """What is collected. count: how many samples. over_s: the time that they are spread over, seconds; 0: as the
    frames come.
    """

    station: StationId
    folder: Path
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    count: int = 200
    over_s: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"count: got {self.count}, expected at least 1 sample")
        if not 0 <= self.over_s < float("inf"):
            raise UsageError(f"over: got {self.over_s} s, expected 0 or more")


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected. lots: how many samples were written of each lot; None where the camera names none. repeated:
    due pictures that the folder had already. unreadable: due frames that break the contract or do not decode; why:
    what was wrong with the first. seconds: how long it took.
    """

    lots: Mapping[str | None, int]
    repeated: int
    unreadable: int
    why: str | None
    seconds: float

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

    on_notice: a line worth telling a person. on_tally: what there is, and seconds until the next is due.

    Raises:
        BrokerError: the broker cannot be reached, or refuses. Once connected, connections that break are made anew.
        SamplesError: the folder cannot be read or written; what was written stays.
        UsageError: the folder lies in a bank.
    """
    stop = stop if stop is not None else threading.Event()
    refuse_bank(options.folder, "collect")
    collector = _Collector(options, on_notice)
    with collector.connection:
        _wait_until_up(collector, stop)
        while not stop.wait(_LOOK_S) and not collector.is_over:
            collector.look_around()
            on_tally(collector.collected, collector.next_s)
    if collector.fault is not None:
        raise collector.fault
    return collector.collected


def _wait_until_up(collector: "_Collector", stop: threading.Event) -> None:
    until = time.monotonic() + _CONNECT_S
    while not collector.was_up.wait(_LOOK_S) and not stop.is_set() and collector.fault is None:
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
        self._known = _known(options.folder)
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
        return Collected(self._lots.copy(), self._repeated, self._unreadable, self._why, seconds)

    def look_around(self) -> None:
        """Tells of a connection that broke or is back, and once of a station that says nothing."""
        if (trouble := self.trouble) is None:
            self._told.over("away", "connected again")
        else:
            self._told.once("away", f"{trouble}; connecting again")
        if not self._heard and time.monotonic() - self._begun > _SILENCE_S:
            self._told.once(
                "silent",
                f"no frame yet; does the camera run, is it called {self._options.station}, and may this user read "
                f"{contract.station_topic(self._options.station, 'frame')}?",
            )

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
        if (digest := raw.sha256[:_DIGEST]) in self._known:
            self._repeated += 1
            return
        try:
            message = contract.check(self._options.station, raw)
            decode(message.payload)
        except FrameError as error:
            self._unreadable += 1
            self._why = self._why or str(error)
            return
        self._write(message, arrival.received_at, digest)
        self._known.add(digest)
        self._lots[message.lot] += 1
        self._spread.took(time.monotonic())

    def _write(self, message: FrameMessage, received_at: datetime, digest: str) -> None:
        folder = self._options.folder
        moment = (message.captured_at or received_at).astimezone(UTC)
        stamp = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_file(folder / f"{stamp}-{digest}.{suffix_of(message.payload)}", message.payload)
        except OSError as error:
            raise SamplesError(
                f"{folder}: cannot be written ({error.strerror}); samples until then: {self._lots.total()}; make room, "
                "or choose another folder"
            ) from error


def _known(folder: Path) -> set[str]:
    """How the digests of pictures that were collected into the folder before begin, by their names."""
    if not folder.exists():
        return set()
    found = (_NAMED_DIGEST.search(path.name) for path in image_files(folder))
    return {match[1] for match in found if match is not None}
