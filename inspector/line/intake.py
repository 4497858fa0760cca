"""Where frames wait for their turn, in a queue for each station."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from inspector.line.delivery import Delivery
from inspector.settings import QueueSettings
from inspector.settings.sections import QUEUE_BYTES
from inspector.types import StationId


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
