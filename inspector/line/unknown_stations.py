"""Frames of stations that nobody configured are answered, so that a wrong name is noticed."""

import logging
import uuid
from collections.abc import Callable

from inspector import contract
from inspector.errors import UnknownStationError
from inspector.line.allowance import Allowance
from inspector.line.control import client_name
from inspector.logs import RateLimited
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.identity import Identity

log = logging.getLogger(__name__)

_ANSWERS_A_SECOND = 100
"""Verdicts go out over the same connection, and must not wait behind these."""

_NAMES_TOLD = 20
"""In the log, in ten seconds."""


def watch_identity(instance: str, key: str) -> Identity:
    """Subscribes to the frames of all stations."""
    return Identity(client_name(instance, "watch"), key=key, subscriptions=[(contract.ALL_FRAMES, 0)])


class UnknownStations:
    """Publishes an error for a frame of a station that is not in `known`; of many at once for some. Each is counted."""

    def __init__(self, known: frozenset[str], connection: Connection, *, on_frame: Callable[[], None]) -> None:
        self._known = known
        self._connection = connection
        self._on_frame = on_frame
        self._allowance = Allowance(_ANSWERS_A_SECOND)
        self._limited = RateLimited(log, max_keys=_NAMES_TOLD)

    def frame(self, arrival: Arrival) -> None:
        """One frame of any station."""
        station = "/".join(arrival.topic.split("/")[2:-1])
        if station in self._known or arrival.retain:
            return
        self._on_frame()
        self._limited.warning(station, "frame of an unknown station", station=station)
        if not self._allowance.take():
            return
        raw = contract.unpack(arrival.payload, content_type=arrival.content_type, properties=arrival.properties)
        error = UnknownStationError(
            f"{station}: is not in the configuration, expected one of {len(self._known)} stations"
        )
        document = contract.error_json(
            error,
            station,
            raw,
            result_id=str(uuid.uuid4()),
            received_at=arrival.received_at,
            decided_at=arrival.received_at,
            quarantine_id=None,
        )
        self._connection.publish(f"{arrival.topic.removesuffix('/frame')}/error", document)
