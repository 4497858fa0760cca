"""Anomaly maps on their way out, which nobody waits for: they must not cost the connection that verdicts go over."""

import logging
import threading
import time
from collections.abc import Callable

from inspector import contract
from inspector.line.health import Health
from inspector.mqtt.connection import Connection
from inspector.types import StationId

log = logging.getLogger(__name__)

_SOON_S = 2.0
_LOSSES = 3

_LEFT_OUT = (
    "anomaly maps are larger than the broker takes, and left out; raise its limit (mosquitto: max_packet_size), then "
    "restart the daemon"
)


class MapLimit:
    """How large maps may be, in bytes, where the broker only closes the connection on one that is too large: learned
    from connections in a row that ended soon after a map was sent. now: monotonic seconds. No clock, no network.
    """

    def __init__(self) -> None:
        self.most: int | None = None
        self._recent: list[tuple[float, int]] = []
        self._suspects: list[int] = []

    def sent(self, size: int, now: float) -> None:
        """A map was sent. That the connection outlived one before speaks for those that were suspected."""
        if self._recent and now - self._recent[0][0] > _SOON_S:
            self._suspects.clear()
        self._recent = [(when, what) for when, what in self._recent if now - when <= _SOON_S] + [(now, size)]

    def lost(self, now: float) -> bool:
        """The connection has ended. Returns whether it is known by now that maps did it."""
        sent = [what for when, what in self._recent if now - when <= _SOON_S]
        self._recent.clear()
        self._suspects = [*self._suspects, max(sent)] if sent else []
        if len(self._suspects) < _LOSSES:
            return False
        self.most = min(self._suspects) - 1
        self._suspects.clear()
        return True


class Heatmaps:
    """Sends them, QoS 0; those for which the network is too slow are left out.

    calm: whether nobody looks for another message that ends the connection.
    """

    def __init__(self, connection: Connection, health: Health, *, calm: Callable[[], bool]) -> None:
        self._connection = connection
        self._health = health
        self._calm = calm
        self._lock = threading.Lock()
        self._limit = MapLimit()
        self._told: set[StationId] = set()

    def show(self, station: StationId, png: bytes, *, frame_id: str, result_id: str) -> None:
        """Sends one, unless it is larger than the broker takes; that is told as a warning."""
        topic = contract.station_topic(station, "heatmap")
        said = contract.heatmap_properties(frame_id, result_id)
        most = self._limit.most
        if not self._connection.takes(topic, png, said) or (most is not None and len(png) > most):
            with self._lock:
                self._told.add(station)
                self._health.warn(f"heatmap {station}", _LEFT_OUT)
        elif self._calm():
            with self._lock:
                if self._connection.publish(topic, png, qos=0, properties=said) is not None:
                    self._limit.sent(len(png), time.monotonic())

    def connection_changed(self, fault: str | None) -> None:
        """The connection is up, or has a fault, in words."""
        with self._lock:
            learned = fault is not None and self._limit.lost(time.monotonic())
            if fault is None:
                for station in self._told:  # the broker may have another limit now
                    self._health.warn(f"heatmap {station}", None)
                self._told.clear()
        if learned:
            told = f"those above {self._limit.most} bytes end the connection"
            log.warning("anomaly maps left out", extra={"fault": told})
