"""A subscriber in the daemon's place, which checks every frame against the contract; what a camera station is told."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from services import DEADLINE_S, Mosquitto

from inspector.camera import CameraOptions
from inspector.contract import ALL_FRAMES, check, unpack
from inspector.settings import BrokerSettings
from inspector.types import FrameMessage, StationId

STATION = StationId.parse("plant/hall1/line1/cam1")


class Line:
    """A subscriber in the daemon's place: every frame, checked against the contract."""

    def __init__(self) -> None:
        self.frames: list[FrameMessage] = []
        self.content_types: list[str | None] = []
        self.subscribed = threading.Event()

    def take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        properties = message.properties
        content_type = getattr(properties, "ContentType", None)
        raw = unpack(
            bytes(message.payload), content_type=content_type, properties=getattr(properties, "UserProperty", [])
        )
        self.content_types.append(content_type)
        self.frames.append(check(STATION, raw))


@contextmanager
def listening_line(port: int, protocol: int = paho.MQTTv5) -> Iterator[Line]:
    line = Line()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"line-{port}", protocol=protocol)
    client.on_connect = lambda *_: client.subscribe(ALL_FRAMES, qos=1)
    client.on_subscribe = lambda *_: line.subscribed.set()
    client.on_message = line.take
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert line.subscribed.wait(DEADLINE_S)
        yield line
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def slow_way(port: int, *, answers_after_s: float) -> Iterator[int]:
    """The port of a way to the broker at `port` for one client, on which each answer takes so long."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        way = threading.Thread(target=_carry, args=(server, port, answers_after_s))
        way.start()
        yield server.getsockname()[1]
        way.join(DEADLINE_S)


def _carry(server: socket.socket, port: int, answers_after_s: float) -> None:
    client, _ = server.accept()
    with client, socket.create_connection(("127.0.0.1", port)) as broker:
        there = threading.Thread(target=pass_on, args=(client, broker))
        there.start()
        pass_on(broker, client, answers_after_s)
        there.join(DEADLINE_S)


@contextmanager
def closing_way(port: int, *closed: int) -> Iterator[int]:
    """The port of a way to the broker at `port`, which closes the connections of these numbers; the first is 1."""
    numbers = count(1)

    class Way(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if next(numbers) in closed:
                return
            with socket.create_connection(("127.0.0.1", port)) as broker:
                there = threading.Thread(target=pass_on, args=(self.request, broker))
                there.start()
                pass_on(broker, self.request)
                there.join(DEADLINE_S)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,)).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def pass_on(source: socket.socket, target: socket.socket, after_s: float = 0.0) -> None:
    """What one end says, to the other, until one of them leaves."""
    with suppress(OSError):  # one of them left: that ends the way
        while data := source.recv(65536):
            time.sleep(after_s)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def refusing_broker(start: Callable[..., Mosquitto], folder: Path) -> tuple[Mosquitto, Path]:
    """A broker that takes nothing from anybody; and its access list, with which it may be told otherwise."""
    rules = folder / "acl"
    rules.write_text("topic read #\n")
    rules.chmod(0o600)
    return start(f"acl_file {rules}"), rules


def options(source: Path | str, port: int, **more: object) -> CameraOptions:
    return CameraOptions(source=str(source), station=STATION, broker=BrokerSettings(port=port), **more)  # type: ignore[arg-type]
