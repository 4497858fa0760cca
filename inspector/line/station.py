"""One camera position at run time: its frames in order, its queue, its acknowledgements."""

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from inspector import contract
from inspector.contract import RawFrame
from inspector.errors import FrameError
from inspector.mqtt.arrival import Arrival
from inspector.settings import QueueSettings
from inspector.settings.sections import QUEUE_BYTES
from inspector.types import FrameMessage, StationId


@dataclass(frozen=True, slots=True)
class Delivery:
    """A frame as it arrived: what it says and, where that breaks the contract, the fault.

    link, mid: what its acknowledgement needs. dup: the broker sends it again. clock: perf_counter at arrival, seconds.
    """

    station: StationId
    raw: RawFrame
    message: FrameMessage | None
    fault: FrameError | None
    link: int
    mid: int
    dup: bool
    retain: bool
    received_at: datetime
    clock: float

    @classmethod
    def of(cls, station: StationId, arrival: Arrival) -> Self:
        """Parses what arrived; a fault is kept, not raised."""
        raw = contract.unpack(arrival.payload, content_type=arrival.content_type, properties=arrival.properties)
        message, fault = None, None
        try:
            message = contract.check(station, raw)
        except FrameError as error:
            fault = error
        return cls(
            station=station,
            raw=raw,
            message=message,
            fault=fault,
            link=arrival.link,
            mid=arrival.mid,
            dup=arrival.dup,
            retain=arrival.retain,
            received_at=arrival.received_at,
            clock=arrival.clock,
        )


class AckOrder:
    """Acknowledgements leave in the order in which the messages came, as MQTT asks; those of a lost link never."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._link = 0
        self._open: OrderedDict[int, bool] = OrderedDict()

    def arrived(self, link: int, mid: int) -> None:
        """A message of QoS 1 came."""
        with self._lock:
            if link != self._link:
                self._link = link
                self._open.clear()
            self._open[mid] = False

    def settled(self, link: int, mid: int) -> list[int]:
        """Its outcome is durable; returns the messages that may be acknowledged now."""
        with self._lock:
            if link != self._link or mid not in self._open:
                return []
            self._open[mid] = True
            ready = []
            while self._open and self._open[first := next(iter(self._open))]:
                ready.append(first)
                del self._open[first]
            return ready


_MOST_MISSING = 1_000_000
"""More than these are no gap: the camera counts from somewhere else, or does not count."""


class SequenceGaps:
    """Counts the frames that are missing between the sequence numbers of one station.

    A camera has begun anew where it says 0 or 1, or two rising numbers below the last one. A single lower number is a
    frame that it sends again. Who sends check parts beside it may count for himself: their numbers only ever go on from
    its own.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._below: int | None = None

    def missing_before(self, seq: int, *, again: bool = False, check: bool = False) -> int:
        """How many numbers were left out before this one. again: the broker delivers the frame again. check: it is that
        of a check part.
        """
        last, below = self._last, self._below
        if (again and last is not None and seq <= last) or (check and (last is None or seq <= last)):
            return 0
        if last is None or seq > last:
            before = last
        elif seq <= 1:
            before = None
        elif below is not None and seq > below:
            before = below
        else:
            self._below = seq
            return 0
        self._last, self._below = seq, None
        missing = 0 if before is None else seq - before - 1
        return missing if missing <= _MOST_MISSING else 0


@dataclass(slots=True)
class _Queue:
    settings: QueueSettings
    waiting: deque[Delivery] = field(default_factory=deque)
    size: int = 0

    def has_room_for(self, size: int) -> bool:
        return not self.waiting or (len(self.waiting) < self.settings.capacity and self.size + size <= QUEUE_BYTES)

    def append(self, delivery: Delivery) -> None:
        self.waiting.append(delivery)
        self.size += len(delivery.raw.image)

    def pop(self) -> Delivery:
        delivery = self.waiting.popleft()
        self.size -= len(delivery.raw.image)
        return delivery


class Intake:
    """The queues of all stations, from which the worker takes one frame at a time, from each station in turn."""

    def __init__(self, queues: Mapping[StationId, QueueSettings]) -> None:
        self._queues = {station: _Queue(settings) for station, settings in queues.items()}
        self._turns = deque(queues)
        self._changed = threading.Condition()
        self._closed = False

    def put(self, delivery: Delivery) -> list[Delivery] | None:
        """Lets a frame wait for its turn; returns those that had to make room for it.

        `every_frame` blocks while the queue is full, `freshest` lets the oldest go. None after `close`: not taken.
        """
        queue = self._queues[delivery.station]
        size = len(delivery.raw.image)
        displaced = []
        with self._changed:
            while not self._closed and not queue.has_room_for(size):
                if queue.settings.policy == "freshest":
                    displaced.append(queue.pop())
                else:
                    self._changed.wait()
            if self._closed:
                return None
            queue.append(delivery)
            self._changed.notify_all()
        return displaced

    def take(self) -> Delivery | None:
        """The next frame, stations in turn; waits for one. None after `close`."""
        with self._changed:
            while not self._closed:
                for _ in range(len(self._turns)):
                    queue = self._queues[self._turns[0]]
                    self._turns.rotate(-1)
                    if queue.waiting:
                        self._changed.notify_all()
                        return queue.pop()
                self._changed.wait()
        return None

    def close(self) -> None:
        """Nothing is put or taken any more; what waits stays with the broker."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def depths(self) -> dict[StationId, int]:
        """How many frames wait, by station."""
        with self._changed:
            return {station: len(queue.waiting) for station, queue in self._queues.items()}
