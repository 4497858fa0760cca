"""A frame as it arrived."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from inspector import contract
from inspector.contract import RawFrame
from inspector.errors import FrameError
from inspector.mqtt.arrival import Arrival
from inspector.types import FrameMessage, StationId


@dataclass(frozen=True, slots=True)
class Delivery:
    """What it says and, where that breaks the contract, the fault.

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
