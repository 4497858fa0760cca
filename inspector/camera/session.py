"""One connection of a camera station to the broker, from CONNECT to its end."""

import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from inspector.camera.flight import STRIKES
from inspector.contract import frame_envelope, frame_properties, station_topic
from inspector.errors import BrokerError
from inspector.mqtt.credentials import show_credentials, when_silent
from inspector.mqtt.protocol import Greeting, Version
from inspector.settings import BrokerSettings
from inspector.types import FrameMessage

_CONNECT_S = 10.0
_MOST_AHEAD: Final = 65_535  # of a broker that says nothing else
_UNSUPPORTED_VERSION: Final = {0x01, 0x84}

_NEVER: Final = {0x95, 0x99}
"""Packet too large, payload format invalid: said of this frame."""

_PERHAPS: Final = {0x80, 0x81, 0x82, 0x83}
"""Unspecified, malformed packet, protocol error, implementation specific: may be said of it. What else there is, such
as a broker that shuts down, a quota, a right that is missing, is not about one frame.
"""


class UnreachableError(BrokerError):
    """Nothing answers there."""


class RefusedError(BrokerError):
    """The broker refuses the connection, or took it and said nothing."""

    def __init__(self, message: str, greeting: Greeting) -> None:
        super().__init__(message)
        self.greeting = greeting


@dataclass(frozen=True, slots=True)
class Answered:
    """The broker answered to the frame of number `mid`."""

    session: "Session"
    mid: int
    reason: ReasonCode

    @property
    def for_good(self) -> bool:
        """Whether the broker will never take this frame."""
        return self.reason.value in _NEVER


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection has ended. said: the broker gave the reason."""

    session: "Session"
    reason: ReasonCode
    said: bool

    @property
    def how(self) -> str:
        """In words, behind what happened."""
        return f" ({self.reason})" if self.said else " without a word"

    @property
    def strikes(self) -> int:
        """What this says against a frame that was alone on its way, where it happened soon after it was sent."""
        if not self.said:
            return 1  # closed without a word, as MQTT 3.1.1 has it; or the answer was none that can be read
        if self.reason.value in _NEVER:
            return STRIKES
        return 1 if self.reason.value in _PERHAPS else 0


Events = SimpleQueue[Answered | Ended | None]
"""What happened on sessions; None wakes whoever waits."""


class Session:
    """Connects once. What happens on it is put into `events`, in the network thread.

    max_packet: the largest packet that the broker takes, in bytes, where it says so. most_ahead: how many frames it
    takes ahead of its answers.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        protocol: Version,
        *,
        client_id: str,
        window: int,
        events: Events,
    ) -> None:
        self._broker = broker
        self._where = f"broker {broker.address}"
        self._protocol = protocol
        self._events = events
        self._changed = threading.Condition()
        self._answer: ReasonCode | None = None
        self._gone: str | None = None
        self.max_packet: int | None = None
        self.most_ahead = _MOST_AHEAD
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5 if protocol == "5" else paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self.client.max_inflight_messages_set(window)
        self.client.connect_timeout = _CONNECT_S
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = self._on_publish

    def open(self) -> None:
        """Connects, and waits for the broker's answer.

        Raises:
            UnreachableError: nothing answers there. RefusedError: the broker refuses the connection.
            SettingsError: the password or the certificates cannot be read.
        """
        show_credentials(self.client, self._broker)
        try:
            self.client.connect(self._broker.host, self._broker.port, keepalive=30)
        except (OSError, ValueError) as error:
            raise UnreachableError(f"{self._where}: cannot be reached ({error})") from error
        try:
            self.client.loop_start()
        except RuntimeError as error:  # no thread is left
            self.client.disconnect()
            raise UnreachableError(f"{self._where}: cannot be reached ({error})") from error
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self._gone is not None, _CONNECT_S)
            answer, gone = self._answer, self._gone
        if answer is not None and not answer.is_failure:
            return
        self.close()
        if answer is None:
            greeting = Greeting.SILENT
            why = f"{gone or 'no answer to the connection request'}{when_silent(self._broker)}"
        else:
            greeting = Greeting.WRONG_VERSION if answer.value in _UNSUPPORTED_VERSION else Greeting.REFUSED
            why = str(answer)
        raise RefusedError(f"{self._where}: refused the connection over MQTT {self._protocol}: {why}", greeting)

    def close(self) -> None:
        """Disconnects without waiting for answers."""
        self.client.disconnect()
        self.client.loop_stop()

    def payload_of(self, message: FrameMessage) -> bytes:
        """What is sent of a frame: the picture, or with MQTT 3.1.1 the envelope around it."""
        return message.payload if self._protocol == "5" else frame_envelope(message)

    def publish(self, message: FrameMessage, payload: bytes, content_type: str) -> int:
        """Hands a frame to the network thread; returns its number in this connection."""
        properties = None
        if self._protocol == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = content_type
            properties.UserProperty = frame_properties(message)
        topic = station_topic(message.station, "frame")
        return self.client.publish(topic, payload, qos=1, properties=properties).mid

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.max_packet = getattr(properties, "MaximumPacketSize", None)
        self.most_ahead = getattr(properties, "ReceiveMaximum", _MOST_AHEAD)
        with self._changed:
            self._answer = reason
            self._changed.notify_all()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._changed:
            self._gone = str(reason)
            self._changed.notify_all()
        self._events.put(Ended(self, reason, said=bool(flags.is_disconnect_packet_from_server)))

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._events.put(Answered(self, mid, reason))
