"""The camera's connection to the broker: publishes frames at QoS 1 and counts what became of each.

MQTT 5 where the broker speaks it, else 3.1.1 with the JSON envelope. At most `window` frames are on their way at a
time; after a broken connection paho sends again what was not acknowledged.
"""

import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from inspector.camera.source import Answer
from inspector.contract import frame_envelope, frame_properties, station_topic
from inspector.errors import BrokerError, SettingsError
from inspector.mqtt.credentials import renew_credentials, show_credentials
from inspector.settings import BrokerSettings
from inspector.types import FrameMessage

_CONNECT_S = 10.0
_ANSWER_S = 10.0
_NO_MATCHING_SUBSCRIBERS = 0x10
_UNSUPPORTED_VERSION = {0x01, 0x84}


class PacketTooLargeError(BrokerError):
    """The broker says that it takes no packet as large as this frame."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of frames. `unheard`: acknowledged by a broker that had no subscriber for them."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    unheard: int = 0

    @property
    def in_flight(self) -> int:
        """Sent, and neither acknowledged nor refused."""
        return self.sent - self.acknowledged - self.refused


class Uplink:
    """A connection for frames. Entering it connects; leaving it disconnects without waiting. on_notice: a line worth
    telling a person. on_tally: after each frame and each answer. Both from any thread.

    Raises on entering:
        BrokerError: nothing answers there, or it refuses the connection.
        SettingsError: the password or the certificates cannot be read.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        *,
        client_id: str,
        window: int = 16,
        on_notice: Callable[[str], None] = lambda _: None,
        on_tally: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self._broker = broker
        self._where = f"{broker.host}:{broker.port}"
        self._client_id = client_id
        self._window = window
        self._on_notice = on_notice
        self._on_tally = on_tally
        self._changed = threading.Condition()
        self._tally = Tally()
        self._asking: dict[int, Callable[[Answer], None]] = {}
        self._early: dict[int, Answer] = {}
        self._answer: ReasonCode | None = None
        self._gone: str | None = None
        self._max_packet: int | None = None
        self._client: paho.Client | None = None
        self._tls: ssl.SSLContext | None = None
        self._was_up = False
        self._trouble: str | None = None
        self.protocol: Literal["5", "3.1.1"] = "5"
        self.waited_s = 0.0
        """How long the last frame had to wait until there was room for it."""

    def __enter__(self) -> Self:
        if self._broker.protocol == "auto":
            if not self._connected("5"):
                self._connected("3.1.1")
        else:
            self._connected(self._broker.protocol)
        return self

    def __exit__(self, *exc: object) -> None:
        self._disconnect()

    @property
    def tally(self) -> Tally:
        """The counts up to now."""
        with self._changed:
            return self._tally

    def send(
        self, message: FrameMessage, content_type: str, stop: threading.Event, on_answer: Callable[[Answer], None]
    ) -> bool:
        """Publishes when the window has room; waits for that, through broken connections as well.

        on_answer: called once with what became of the frame, from any thread.

        Returns:
            False where `stop` was set before there was room: nothing was published.

        Raises:
            PacketTooLargeError: the frame is larger than the broker takes.
        """
        assert self._client is not None, "enter the uplink first"
        begin = time.monotonic()
        with self._changed:
            full = self._tally.in_flight >= self._window
            while self._tally.in_flight >= self._window:
                if stop.is_set():
                    return False
                self._changed.wait(0.2)
        self.waited_s = time.monotonic() - begin if full else 0.0
        payload, properties = message.payload, None
        if self.protocol == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = content_type
            properties.UserProperty = frame_properties(message)
        else:
            payload = frame_envelope(message)
        if self._max_packet is not None and len(payload) + 1024 > self._max_packet:
            raise PacketTooLargeError(
                f"broker {self._where}: takes packets of at most {self._max_packet} bytes, frame "
                f"{message.frame_id} has {len(payload)}; raise max_packet_size there or send smaller images"
            )
        with self._changed:
            self._count(sent=1)
        sent = self._client.publish(station_topic(message.station, "frame"), payload, qos=1, properties=properties)
        with self._changed:
            early = self._early.pop(sent.mid, None)
            if early is None:
                self._asking[sent.mid] = on_answer
        if early is not None:
            on_answer(early)
        return True

    def drain(self, timeout_s: float) -> Tally:
        """Waits until every frame is acknowledged or refused; the timeout begins anew with every answer.

        Raises:
            BrokerError: no answer for `timeout_s`.
        """
        with self._changed:
            while self._tally.in_flight > 0:
                before = self._tally
                if not self._changed.wait_for(lambda before=before: self._tally != before, timeout_s):  # type: ignore[misc]
                    raise BrokerError(
                        f"broker {self._where}: {self._tally.in_flight} of {self._tally.sent} frames were not "
                        f"acknowledged within {timeout_s:.0f} s; the line may not have got them"
                    )
            return self._tally

    def retained(self, topic_filter: str, wait_s: float) -> dict[str, bytes] | None:
        """Retained messages that match, by topic; None where the broker did not answer in time, so nobody knows.

        Brokers send them behind the answer to the subscription. At QoS 0 none waits for an acknowledgement, so those
        that were queued in that order are here when a later request is answered. wait_s: for a broker that looks them
        up aside, so long at least.
        """
        assert self._client is not None, "enter the uplink first"
        found: dict[str, bytes] = {}
        subscribed, unsubscribed = threading.Event(), threading.Event()

        def take(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
            if message.retain:
                found[message.topic] = bytes(message.payload)

        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_unsubscribe = lambda *_: unsubscribed.set()
        self._client.message_callback_add(topic_filter, take)
        self._client.subscribe(topic_filter, qos=0)
        if answered := subscribed.wait(_ANSWER_S):
            time.sleep(wait_s)
        self._client.unsubscribe(topic_filter)
        answered = answered and unsubscribed.wait(_ANSWER_S)
        self._client.message_callback_remove(topic_filter)
        return dict(found) if answered else None

    def _connected(self, protocol: Literal["5", "3.1.1"]) -> bool:
        """Connects; False where the broker does not speak this version and another may be tried."""
        self.protocol = protocol
        self._answer = self._gone = None
        client = self._client = self._new_client(protocol)
        try:
            client.connect(self._broker.host, self._broker.port, keepalive=30)
        except (OSError, ValueError) as error:
            self._client = None
            raise BrokerError(
                f"broker {self._where}: cannot be reached ({error}); is it running, and is the address right?"
            ) from error
        client.loop_start()
        answer, gone = self._first_answer()
        if answer is not None and not answer.is_failure:
            return True
        self._disconnect()
        silent = answer is None
        refused_version = answer is not None and answer.value in _UNSUPPORTED_VERSION
        if self._broker.protocol == "auto" and protocol == "5" and (silent or refused_version):
            return False
        why = gone or "no answer to the connection request" if answer is None else str(answer)
        raise BrokerError(f"broker {self._where}: refused the connection over MQTT {protocol}: {why}")

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _first_answer(self) -> tuple[ReasonCode | None, str | None]:
        """What the broker said to the connection request, or how the connection ended without a word."""
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self._gone is not None, _CONNECT_S)
            return self._answer, self._gone

    def _new_client(self, protocol: Literal["5", "3.1.1"]) -> paho.Client:
        version = paho.MQTTv5 if protocol == "5" else paho.MQTTv311
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=version)
        client.max_inflight_messages_set(self._window)
        client.reconnect_delay_set(1, 15)
        client.connect_timeout = _CONNECT_S
        self._tls = show_credentials(client, self._broker)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            again = self._was_up
            self._answer = reason
            self._was_up = again or not reason.is_failure
            self._max_packet = getattr(properties, "MaximumPacketSize", None)
            self._changed.notify_all()
        if reason.is_failure:
            self._look_again(str(reason))
        elif again:
            self._trouble = None
            self._on_notice(f"broker {self._where}: connected again")

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        error = sys.exception()
        self._look_again("cannot be reached" if error is None else f"cannot be reached ({error})")

    def _look_again(self, trouble: str) -> None:
        """Password and certificates may have been exchanged meanwhile: the next attempt shows those of now."""
        if not self._was_up or self._client is None:
            return
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_notice(f"broker {self._where}: {trouble}; trying again")
        try:
            renew_credentials(self._client, self._broker, self._tls)
        except SettingsError as error:
            self._on_notice(str(error))

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._changed:
            lost = self._answer is not None and not self._answer.is_failure and reason.is_failure
            self._gone = str(reason)
            self._changed.notify_all()
        if lost:
            self._on_notice(f"broker {self._where}: connection lost ({reason}); connecting again")

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        heard = Answer.UNHEARD if reason.value == _NO_MATCHING_SUBSCRIBERS else Answer.TAKEN
        answer = Answer.REFUSED if reason.is_failure else heard
        with self._changed:
            on_answer = self._asking.pop(mid, None)
            if on_answer is None:
                self._early[mid] = answer
            if answer is Answer.REFUSED:
                self._count(refused=1)
            else:
                self._count(acknowledged=1, unheard=int(answer is Answer.UNHEARD))
            self._changed.notify_all()
        if on_answer is not None:
            on_answer(answer)
        if answer is Answer.REFUSED:
            self._on_notice(f"broker {self._where}: refused a frame ({reason})")

    def _count(self, *, sent: int = 0, acknowledged: int = 0, refused: int = 0, unheard: int = 0) -> None:
        was = self._tally
        self._tally = Tally(
            was.sent + sent, was.acknowledged + acknowledged, was.refused + refused, was.unheard + unheard
        )
        self._on_tally(self._tally)
