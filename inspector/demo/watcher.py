"""A subscriber in the PLC's place: hears verdicts and errors and notes them in the book."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from inspector.contract import station_topic
from inspector.demo.port import HOST
from inspector.demo.score import Book
from inspector.errors import BrokerError
from inspector.types import StationId

_SUBSCRIBED_WITHIN_S = 20.0


@contextmanager
def watching(port: int, stations: Sequence[StationId], book: Book) -> Iterator[None]:
    """Subscribed to the outcomes of the stations until the end of the block.

    Raises:
        BrokerError: the broker does not let it in.
    """
    topics = [(station_topic(station, kind), 1) for station in stations for kind in ("verdict", "error")]
    subscribed = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="demo-watcher", protocol=paho.MQTTv311)
    client.on_connect = lambda client, *_: _subscribe(client, topics)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _client, _data, message: _note(book, bytes(message.payload))
    try:
        client.connect(HOST, port)
    except OSError as error:
        raise BrokerError(f"broker {HOST}:{port}: cannot be reached ({error})") from error
    client.loop_start()
    try:
        if not subscribed.wait(_SUBSCRIBED_WITHIN_S):
            raise BrokerError(f"broker {HOST}:{port}: took no subscription within {_SUBSCRIBED_WITHIN_S:.0f} s")
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def _subscribe(client: paho.Client, topics: list[tuple[str, int]]) -> None:
    client.subscribe(topics)


def _note(book: Book, payload: bytes) -> None:
    moment = time.monotonic()
    outcome: dict[str, Any] = json.loads(payload)
    stages = outcome.get("stage_ms", {})
    book.decided(outcome["frame_id"], outcome["decision"], moment, sum(stages.values()))
