"""Where the frames of all stations come in: a reception for each, and the connection that leads to it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

from inspector.errors import StoreError
from inspector.line.delivery import Delivery
from inspector.line.former_session import FormerSession
from inspector.line.health import Health
from inspector.line.intake import Intake
from inspector.line.metrics import Metrics
from inspector.line.outcome import Outcome
from inspector.line.reception import Reception, station_identity
from inspector.line.session_key import SessionKey
from inspector.line.vigil import BROKER
from inspector.logs import RateLimited
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.identity import Identity
from inspector.settings import Settings
from inspector.store import Ledger
from inspector.types import StationId

log = logging.getLogger(__name__)


class Receptions:
    """The stations of the settings. Nothing comes in before `open`.

    ledger: has the sequence numbers of their latest frames. record: takes what is left undecided to make room.
    """

    def __init__(
        self,
        settings: Settings,
        key: SessionKey,
        ledger: Ledger,
        intake: Intake,
        metrics: Metrics,
        health: Health,
        *,
        record: Callable[[Outcome], object],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._key = key
        self._intake = intake
        self._health = health
        self._on_fault = on_fault
        numbers, limited = _last_numbers(ledger), RateLimited(log)
        self._receptions = {
            station.id: Reception(
                station,
                intake,
                metrics,
                limited,
                beside=settings.beside(station),
                numbers=numbers.get(str(station.id), ()),
                record=record,
            )
            for station in settings.stations
        }
        self._ways_in = [self._way_in(reception) for reception in self._receptions.values()]

    @contextmanager
    def open(self) -> Iterator[None]:
        """Frames come in until the end of the block."""
        with ExitStack() as opened:
            for way_in in self._ways_in:
                opened.enter_context(way_in)
            yield

    def settled(self, delivery: Delivery) -> None:
        """The outcome of a frame is durable."""
        self._receptions[delivery.station].settled(delivery)

    def all_listen(self) -> bool:
        """Whether every station has its subscription. Whoever else listened to its frames before, for strangers among
        them, would make the broker tell a camera that a frame was heard which it then throws away.
        """
        return all(reception.connection.link is not None for reception in self._receptions.values())

    def depths(self) -> dict[str, tuple[int, int]]:
        """How many frames wait, and how many arrived and have no durable outcome, by station."""
        waiting = self._intake.depths()
        return {
            reception.name: (waiting[station], reception.open_frames) for station, reception in self._receptions.items()
        }

    def _way_in(self, reception: Reception) -> AbstractContextManager[object]:
        """Its connection; where frames may wait for it in a former session, what empties that first."""
        station = reception.station
        connect = partial(self._connection, station.id)
        identity = station_identity(self._settings.instance, station, self._key.text)
        if self._key.former:
            return FormerSession(
                reception,
                identity,
                connect,
                instance=self._settings.instance,
                on_gone=self._key.await_former(station.id),
                on_fault=self._on_fault,
            )
        reception.connection = connect(identity, reception.arrived)
        return reception.connection

    def _connection(self, station: StationId, identity: Identity, on_message: Callable[[Arrival], None]) -> Connection:
        return Connection(
            self._settings.broker,
            identity,
            on_change=partial(self._health.set, f"{BROKER} {station}"),
            on_fault=self._on_fault,
            on_message=on_message,
        )


def _last_numbers(ledger: Ledger) -> dict[str, list[tuple[int, bool]]]:
    """Without them the daemon runs all the same: who writes to the ledger tells of it, and waits."""
    try:
        return ledger.sequence_numbers()
    except StoreError as error:
        log.warning("what was lost before the start is not seen", extra={"fault": str(error)})
        return {}
