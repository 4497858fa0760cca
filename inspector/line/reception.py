"""Where the frames of one station come in, and where their acknowledgements go out."""

from collections.abc import Callable, Iterable

from inspector import contract
from inspector.line.acks import AckOrder
from inspector.line.control import client_name
from inspector.line.delivery import Delivery
from inspector.line.gaps import SequenceGaps
from inspector.line.intake import Intake
from inspector.line.metrics import Metrics
from inspector.line.outcome import Outcome
from inspector.logs import RateLimited
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.identity import Identity
from inspector.settings import StationSettings
from inspector.types import Drop, FrameMessage

FUTURE_TOLERANCE_S = 2.0
"""How far a capture time may lie ahead of our clock before it is counted."""

_FRESHEST_AHEAD = 64


def station_identity(instance: str, station: StationSettings, key: str) -> Identity:
    """A session of its own for each station, so that a slow one holds back no other.

    The broker may send as many frames ahead as the queue holds; with `freshest`, enough to always see the newest. A
    broker that sends more (mosquitto 2.0.11 does) meets a queue that blocks.
    """
    ahead = station.queue.capacity + (_FRESHEST_AHEAD if station.queue.policy == "freshest" else 0)
    return Identity(
        client_name(instance, str(station.id)),
        key=key,
        subscriptions=[(contract.station_topic(station.id, "frame"), 1)],
        persistent=True,
        receive_maximum=ahead,
    )


class Reception:
    """Counts each frame, lets it wait for its turn, and acknowledges it when its outcome is durable.

    beside: the other stations at its camera, none of which is silent while this one has frames. numbers: the sequence
    numbers of its latest frames in the ledger, each with whether it was a check part's, so that what was lost while no
    daemon ran is missed too.
    """

    def __init__(
        self,
        station: StationSettings,
        intake: Intake,
        metrics: Metrics,
        limited: RateLimited,
        *,
        beside: Iterable[str],
        numbers: Iterable[tuple[int, bool]],
        record: Callable[[Outcome], object],
    ) -> None:
        self.station = station
        self.name = str(station.id)
        self.connection: Connection
        self._intake = intake
        self._limited = limited
        self._record = record
        self._acks = AckOrder()
        self._gaps = SequenceGaps()
        for seq, check in numbers:
            self._gaps.missing_before(seq, check=check)
        self._received = metrics.received.labels(self.name)
        self._missing = metrics.gaps.labels(self.name)
        self._repeated = metrics.repeated.labels(self.name)
        self._before: tuple[str | None, str] = None, ""
        self._future = metrics.future.labels(self.name)
        self._skew = metrics.clock_skew.labels(self.name)
        self._last = [metrics.last_frame.labels(name) for name in (self.name, *beside)]
        self._arrived = 0
        self._settled = 0

    @property
    def open_frames(self) -> int:
        """Frames that arrived and have no durable outcome."""
        return max(0, self._arrived - self._settled)

    def arrived(self, arrival: Arrival) -> None:
        """A frame came; blocks while the queue is full and nothing may be dropped."""
        delivery = Delivery.of(self.station.id, arrival)
        self._arrived += 1
        self._received.inc()
        for last in self._last:
            last.set(arrival.received_at.timestamp())
        self._check_repetition(delivery)
        self._check_sequence(delivery)
        if delivery.message is not None:
            self._check_clock(delivery, delivery.message)
        if arrival.mid:
            self._acks.arrived(arrival.link, arrival.mid)
        for displaced in self._intake.put(delivery) or ():
            self._record(Outcome.drop(displaced, Drop.SUPERSEDED))

    def settled(self, delivery: Delivery) -> None:
        """The outcome of a frame is durable."""
        self._settled += 1
        self._acknowledge(delivery.link, delivery.mid)

    def pass_over(self, arrival: Arrival) -> None:
        """What came is no frame: it is acknowledged in its turn, and that is all."""
        if arrival.mid:
            self._acks.arrived(arrival.link, arrival.mid)
            self._acknowledge(arrival.link, arrival.mid)

    def _acknowledge(self, link: int, mid: int) -> None:
        for ready in self._acks.settled(link, mid):
            self.connection.ack(link, ready)

    def _check_repetition(self, delivery: Delivery) -> None:
        raw = delivery.raw
        if delivery.dup or delivery.retain:
            return
        frame_id = raw.text("frame_id")
        before, sha256 = self._before
        if raw.sha256 == sha256 and (frame_id is None or frame_id != before):
            self._repeated.inc()
            self._limited.warning(("frozen", self.name), "picture repeated", station=self.name, frame_id=raw.frame_id)
        self._before = frame_id, raw.sha256

    def _check_sequence(self, delivery: Delivery) -> None:
        raw = delivery.raw
        if raw.seq is None or delivery.retain:
            return
        missing = self._gaps.missing_before(raw.seq, again=delivery.dup, check=raw.expected is not None)
        if missing:
            self._missing.inc(missing)
            self._limited.warning(
                ("gap", self.name), "frames missing", station=self.name, before_seq=raw.seq, missing=missing
            )

    def _check_clock(self, delivery: Delivery, message: FrameMessage) -> None:
        if message.captured_at is None:
            return
        ahead_s = (message.captured_at - delivery.received_at).total_seconds()
        self._skew.set(ahead_s)
        if ahead_s > FUTURE_TOLERANCE_S:
            self._future.inc()
            self._limited.warning(
                ("future", self.name), "frame from the future", station=self.name, ahead_s=round(ahead_s, 3)
            )
