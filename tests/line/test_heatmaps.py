"""Anomaly maps that the broker does not take, while the connection to it changes."""

import threading

from inspector.line.health import Health
from inspector.line.heatmaps import Heatmaps
from inspector.mqtt.connection import Connection
from inspector.mqtt.identity import Identity
from inspector.settings import BrokerSettings
from inspector.types import StationId

WITHIN_S = 0.5


class TooLarge(Connection):
    """Never opened, to a broker that announced that it takes hardly anything."""

    def takes(self, *_: object) -> bool:
        return False


def test_a_map_that_is_left_out_while_the_connection_comes_back_is_no_fault() -> None:
    clearing, told = threading.Event(), threading.Event()

    class SlowHealth(Health):
        def warn(self, about: str, warning: str | None) -> None:
            if warning is None:
                clearing.set()
                told.wait(WITHIN_S)
            super().warn(about, warning)

    class SlowStation(StationId):
        """Is on its way into the set of stations that were told of when that is gone through."""

        def __hash__(self) -> int:
            clearing.wait(WITHIN_S)
            return hash(str(self))

    health = SlowHealth()
    broker = TooLarge(BrokerSettings(), Identity("maps"), on_change=lambda _: None, on_fault=lambda _: None)
    heatmaps = Heatmaps(broker, health, calm=lambda: True)
    heatmaps.show(StationId("plant", "hall", "line", "first"), b"png", frame_id="f", result_id="r")

    def show() -> None:
        heatmaps.show(SlowStation("plant", "hall", "line", "second"), b"png", frame_id="f", result_id="r")
        told.set()

    thread = threading.Thread(target=show)
    thread.start()
    heatmaps.connection_changed(None)
    thread.join()
    heatmaps.connection_changed(None)
    assert health.warnings() == {}
