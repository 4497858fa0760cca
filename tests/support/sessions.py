"""Whoever connects under a client id of his choice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from services import DEADLINE_S


@contextmanager
def session_of(
    name: str,
    port: int,
    *topics: str,
    version: str = "5",
    clean: bool = False,
    prepare: Callable[[Client], None] = lambda _: None,
) -> Iterator[bool]:
    """Connected under the client id `name` within the block; gives whether the broker had a session of that name.

    topics: subscribed to with QoS 1. What comes is left unacknowledged. clean: a session of that name ends, and is not
    kept; otherwise it is.
    """
    v5 = version == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        clean_session=None if v5 else clean,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    prepare(client)
    had: list[bool] = []
    ready = threading.Event()

    def connected(_client: Client, _data: object, flags: object, *_: object) -> None:
        had.append(bool(getattr(flags, "session_present", False)))
        if topics:
            client.subscribe([(topic, 1) for topic in topics])
        else:
            ready.set()

    client.on_connect = connected
    client.on_subscribe = lambda *_: ready.set()
    options = {}
    if v5:
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 0 if clean else 3600
        options = {"clean_start": clean, "properties": kept}
    client.connect("127.0.0.1", port, **options)
    client.loop_start()
    try:
        assert ready.wait(DEADLINE_S)
        yield had[0]
    finally:
        client.disconnect()
        client.loop_stop()
