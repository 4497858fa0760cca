"""One connection to the broker, from CONNECT to its end."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from inspector.errors import SettingsError
from inspector.logs import RateLimited
from inspector.mqtt import lenient
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.certificate import shown_until
from inspector.mqtt.credentials import show_credentials, when_silent
from inspector.mqtt.identity import Identity
from inspector.mqtt.protocol import Greeting, Version
from inspector.settings import BrokerSettings

lenient.install()

log = logging.getLogger(__name__)

SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long the broker keeps frames for a daemon that is away."""

_MAX_INFLIGHT = 10  # below any broker's receive maximum; the client queues what is above

_MOST_UNWRITTEN = 8
"""Messages of QoS 0 that may wait for the network."""

_KEEPALIVE_S = 30
_CONNACK_TIMEOUT_S = 5.0
_WAKE_S = 0.5
_RETAINED_AT_FIRST_SUBSCRIPTION = 1

_limited = RateLimited(log)


@dataclass(frozen=True, slots=True)
class Handlers:
    """Called in the network thread.

    up: connected and subscribed; with whether the broker had kept the session. arrived: may block, which holds the
    broker back. published: link, mid, and why the broker refused, or None. fault: an exception ended a handler.
    """

    up: Callable[[bool], None]
    arrived: Callable[[Arrival], None]
    published: Callable[[int, int, str | None], None]
    fault: Callable[[BaseException], None]


class Link:
    """Connects once. `run` returns when the connection has ended; `trouble` says why. greeting: how the broker
    answered, UNREACHED until it has. max_packet: the largest packet that it takes, in bytes, where it says so.
    """

    def __init__(
        self,
        number: int,
        version: Version,
        broker: BrokerSettings,
        identity: Identity,
        handlers: Handlers,
        *,
        probe: bool,
    ) -> None:
        self.number = number
        self.version = version
        self.up = False
        self.was_up = False
        self.greeting = Greeting.UNREACHED
        self.trouble: str | None = None
        self.max_packet: int | None = None
        self._broker = broker
        self._identity = identity
        self._handlers = handlers
        self._probe = probe
        self._last: MQTTMessageInfo | None = None
        self._unwritten: list[MQTTMessageInfo] = []
        self._ending = False
        self._session_present = False
        self._client = self._make_client()

    def run(self) -> None:
        """From CONNECT to the end of the connection, in this thread."""
        try:
            self._run()
        finally:
            self._let_go()

    def _run(self) -> None:
        where = f"broker {self._broker.address}"
        try:
            show_credentials(self._client, self._broker)
            self._client.connect(self._broker.host, self._broker.port, _KEEPALIVE_S, **self._connect_options())
        except (OSError, ValueError, SettingsError) as error:  # ValueError: a name of a host that cannot be one
            self.trouble = f"{where}: {error}"
            return
        if self._ending:
            self._client.disconnect()
        try:
            self._loop()
        except OSError as error:  # no file descriptor is left for the pair of sockets that wakes the loop
            self.trouble = f"{where}: {error}"
        self.up = False
        if not self._answered and self.trouble is None:
            self.greeting = Greeting.SILENT
            self.trouble = f"{where}: no answer to CONNECT{when_silent(self._broker)}"
        self.trouble = self.trouble or f"{where}: connection closed"
        self._client.disconnect()
        self._client.loop_write()

    def _let_go(self) -> None:
        """The client knows this link no more, so that its sockets are closed when the last one forgets the link, and
        not when some collector of cycles comes by: descriptors are few.
        """
        client = self._client
        client.on_connect = client.on_subscribe = client.on_disconnect = client.on_message = client.on_publish = None

    def _loop(self) -> None:
        deadline = time.monotonic() + _CONNACK_TIMEOUT_S
        while self._client.loop(_WAKE_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if not self._answered and time.monotonic() > deadline:
                break

    @property
    def _answered(self) -> bool:
        return self.greeting not in (Greeting.UNREACHED, Greeting.SILENT)

    @property
    def certified_until(self) -> float | None:
        """Until when the broker's certificate is valid, seconds since 1970; None without TLS. In the network thread."""
        return shown_until(self._client.socket())

    def settle(self, timeout_s: float) -> None:
        """Waits, at most so long, until the broker has confirmed what was handed over. From any other thread.

        To close with confirmations unread resets the connection, and a broker may drop what came before the reset.
        """
        if self._last is not None and self.up:
            self._last.wait_for_publish(timeout_s)

    def end(self) -> None:
        """Disconnects when all that was handed over is sent; `run` returns. From any thread."""
        self.up = False
        self._ending = True
        self._client.disconnect()

    def ack(self, mid: int) -> None:
        """Acknowledges a message of QoS 1. From any thread."""
        self._client.ack(mid, 1)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        correlation: bytes | None,
        properties: Sequence[tuple[str, str]],
    ) -> int | None:
        """Hands over a message; gives its mid. properties: as a user's, which 3.1.1 does not have. From any thread.

        None when the connection is not up, and for a message of QoS 0 while several before it wait for the network: the
        client would keep any number of them, and what is to be confirmed would wait behind them.
        """
        if not self.up or (not qos and self._behind()):
            return None
        said = None
        if self.version == "5":
            said = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            said.ContentType = _content_type(payload)
            if correlation is not None:
                said.CorrelationData = correlation
            if properties:
                said.UserProperty = list(properties)
        sent = self._client.publish(topic, payload, qos, retain, said)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        if qos:
            self._last = sent
        else:
            self._unwritten.append(sent)
        return sent.mid

    def _behind(self) -> bool:
        self._unwritten = [sent for sent in self._unwritten if not sent.is_published()]
        return len(self._unwritten) >= _MOST_UNWRITTEN

    def _make_client(self) -> Client:
        v5 = self.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._identity.client_id,
            clean_session=None if v5 else not self._identity.persistent,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages_set(_MAX_INFLIGHT)
        if self._identity.will is not None:
            client.will_set(*self._identity.will, qos=1, retain=True)
        client.on_connect = self._guarded(self._connected)
        client.on_subscribe = self._guarded(self._subscribed)
        client.on_disconnect = self._guarded(self._disconnected)
        client.on_message = self._guarded(self._arrived)
        client.on_publish = self._guarded(self._published)
        # With this set, only the thread in `run` writes to the socket; other threads wake it.
        client.on_socket_register_write = _leave_writing_to_the_loop
        return client

    def _connect_options(self) -> dict[str, Any]:
        if self.version != "5":
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._identity.persistent:
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
        if self._identity.receive_maximum is not None:
            properties.ReceiveMaximum = self._identity.receive_maximum
        return {"clean_start": not self._identity.persistent, "properties": properties}

    def _connected(self, _c: Client, _u: Any, flags: Any, reason: ReasonCode, said: Properties | None) -> None:
        self.max_packet = getattr(said, "MaximumPacketSize", None)
        if reason.is_failure:
            wrong_version = reason == "Unsupported protocol version"
            self.greeting = Greeting.WRONG_VERSION if wrong_version else Greeting.REFUSED
            self.trouble = f"broker refused {self._identity.name}: {reason}"
        elif self._probe:
            self.greeting = Greeting.ACCEPTED
            self.trouble = "MQTT 3.1.1 works, trying MQTT 5 once more"
            self._client.disconnect()
        else:
            self.greeting = Greeting.ACCEPTED
            self._session_present = bool(flags.session_present)
            self._subscribe()

    def _subscribe(self) -> None:
        wanted = self._identity.subscriptions
        if not wanted:
            self._is_up()
        elif self.version == "5":
            how = [
                (topic, SubscribeOptions(qos=qos, retainHandling=_RETAINED_AT_FIRST_SUBSCRIPTION))
                for topic, qos in wanted
            ]
            self._client.subscribe(how)
        else:
            self._client.subscribe(list(wanted))

    def _subscribed(self, _c: Client, _u: Any, _m: int, reasons: list[ReasonCode], _p: Properties | None) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            topics = ", ".join(topic for topic, _ in self._identity.subscriptions)
            self.trouble = f"broker refused the subscription to {topics}: {refused[0]}"
            self._client.disconnect()
        else:
            self._is_up()

    def _is_up(self) -> None:
        if self.up or self._ending:
            return
        self.up = self.was_up = True
        self._handlers.up(self._session_present)

    def _disconnected(self, _c: Client, _u: Any, flags: Any, reason: ReasonCode, _p: Properties | None) -> None:
        self.up = False
        if self._answered:
            how = "broker ended the connection" if flags.is_disconnect_packet_from_server else "connection lost"
            self.trouble = self.trouble or f"{how}: {reason}"

    def _arrived(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        if self._probe:
            return
        if self._session_present:  # mosquitto hands over all that waits before it answers the subscription
            self._is_up()
        if (fault := lenient.unreadable(message.properties)) is not None:
            _limited.warning(message.topic, "properties unreadable", topic=message.topic, fault=fault)
        self._handlers.arrived(Arrival.of(self.number, message))

    def _published(self, _c: Client, _u: Any, mid: int, reason: ReasonCode, _p: Properties | None) -> None:
        self._handlers.published(self.number, mid, str(reason) if reason.is_failure else None)

    def _guarded(self, handler: Callable[..., None]) -> Callable[..., None]:
        """No exception ends the network thread unseen."""

        def call(*arguments: Any) -> None:
            try:
                handler(*arguments)
            except Exception as error:  # noqa: BLE001 (the edge of a thread: told, and the process ends)
                self._handlers.fault(error)

        return call


def _content_type(payload: bytes) -> str:
    if payload.startswith(b"\x89PNG"):
        return "image/png"
    return "application/json" if payload.startswith(b"{") else "text/plain"


def _leave_writing_to_the_loop(_client: Client, _userdata: Any, _socket: Any) -> None:
    return
