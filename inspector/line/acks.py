"""The order of the acknowledgements of one station."""

import threading
from collections import OrderedDict


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
