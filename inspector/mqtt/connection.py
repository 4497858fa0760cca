"""One client id at the broker, kept connected: MQTT 5, or 3.1.1 where the broker knows no 5.

A connection that was lost is made anew with nothing of the old one left: what was not acknowledged comes again from
the broker, what was not confirmed is published again from the outbox.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Self

from inspector.guarded import guarded
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.identity import Identity
from inspector.mqtt.link import Handlers, Link
from inspector.mqtt.protocol import ProtocolChoice
from inspector.settings import BrokerSettings

log = logging.getLogger(__name__)

_BACKOFF_S = (0.25, 30.0)
_SETTLE_S = 2.0
_LASTING_S = 10.0
_SUSPICIOUS = 3
_LOOK_S = 0.1
_NUMBERS = count(1)
"""Of links: no two in this process have the same, whichever connection they belong to."""
_HEAD = 64  # more bytes than a packet has beside its topic, payload and user properties
_PROPERTY_HEAD = 5  # a user property's own: its kind, and two lengths


def _ignore(*_: object) -> None:
    return


class Connection:
    """Keeps one identity connected from `open` to `close`. All methods may be called from any thread.

    on_change: called with None when connected and subscribed, else with what is wrong. on_message: called in the
    network thread; may block, which holds the broker back. on_published: link, mid, and why the broker refused, or
    None. on_fault: called with an exception that ended a handler; the process should not go on. may_connect: asked
    before each connection, until it may. certified_until: until when the broker's certificate is valid, as it was shown
    last, seconds since 1970; None without TLS.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        identity: Identity,
        *,
        on_change: Callable[[str | None], None],
        on_fault: Callable[[BaseException], None],
        on_message: Callable[[Arrival], None] = _ignore,
        on_published: Callable[[int, int, str | None], None] = _ignore,
        may_connect: Callable[[], bool] = lambda: True,
    ) -> None:
        self._broker = broker
        self._identity = identity
        self._on_change = on_change
        self._may_connect = may_connect
        self._handlers = Handlers(up=self._up, arrived=on_message, published=on_published, fault=on_fault)
        self._choice = ProtocolChoice(broker.protocol)
        self._lock = threading.Lock()
        self._link: Link | None = None
        self.certified_until: float | None = None
        self._closing = threading.Event()
        self._thread = guarded(identity.name, self._keep_connected, on_fault)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Begins to connect, in the background, until it succeeds."""
        self._thread.start()

    def close(self) -> None:
        """Disconnects once the broker has confirmed what was published; it keeps a persistent session."""
        link = self._link
        if link is not None:
            link.settle(_SETTLE_S)
        with self._lock:
            self._closing.set()
            if self._link is not None:
                self._link.end()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def link(self) -> int | None:
        """The number of the present connection while it is up and subscribed."""
        link = self._link
        return link.number if link is not None and link.up else None

    @property
    def protocol(self) -> str:
        """`5` or `3.1.1`: what is spoken."""
        return self._choice.now

    def ack(self, link: int, mid: int) -> None:
        """Acknowledges a message of QoS 1, unless its connection is gone: then the broker sends it again.

        A message of QoS 0 has the mid 0; a broker ends the connection of a client that acknowledges it.
        """
        with self._lock:
            if mid and self._link is not None and self._link.number == link:
                self._link.ack(mid)

    def takes(self, topic: str, payload: bytes, properties: Sequence[tuple[str, str]] = ()) -> bool:
        """Whether a message is no larger than the broker announced that it takes."""
        most = None if (link := self._link) is None else link.max_packet
        said = sum(_PROPERTY_HEAD + len(f"{name}{value}".encode()) for name, value in properties)
        return most is None or len(topic) + len(payload) + said + _HEAD <= most

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation: bytes | None = None,
        properties: Sequence[tuple[str, str]] = (),
    ) -> tuple[int, int] | None:
        """Hands a message to the network thread; gives link and mid, or None while there is no connection.

        properties: names and values of user properties, which brokers take only if they can be printed; left out where
        3.1.1 is spoken.
        """
        link = self._link
        if link is None:
            return None
        mid = link.publish(topic, payload, qos=qos, retain=retain, correlation=correlation, properties=properties)
        return None if mid is None else (link.number, mid)

    def _keep_connected(self) -> None:
        failures = brief = 0
        while True:
            while not self._may_connect():
                if self._closing.wait(_LOOK_S):
                    return
            link = Link(
                next(_NUMBERS),
                self._choice.now,
                self._broker,
                self._identity,
                self._handlers,
                probe=self._choice.in_doubt,
            )
            with self._lock:
                if self._closing.is_set():
                    return
                self._link = link
            began = time.monotonic()
            link.run()
            lasted = time.monotonic() - began > _LASTING_S
            with self._lock:
                self._link = None
            if self._closing.is_set():
                return
            failures = 0 if link.was_up and lasted else failures + 1
            brief = brief + 1 if link.was_up and not lasted else 0
            trouble = link.trouble or "connection closed"
            if brief >= _SUSPICIOUS:
                trouble += f"; does another client use the id {self._identity.name}?"
            self._on_change(trouble)
            if not self._choice.ended(link.greeting):
                self._wait(failures, trouble)

    def _wait(self, failures: int, trouble: str) -> None:
        first, most = _BACKOFF_S
        delay = min(most, first * 2 ** min(failures, 16)) * random.uniform(0.5, 1.0)
        told = {"client": self._identity.name, "fault": trouble, "retry_s": round(delay, 2)}
        log.warning("broker away", extra=told)
        self._closing.wait(delay)

    def _up(self, session_present: bool) -> None:
        told = {"client": self._identity.name, "protocol": self.protocol, "session_present": session_present}
        log.info("broker connected", extra=told)
        self.certified_until = None if self._link is None else self._link.certified_until
        self._on_change(None)
