"""A client of the doctor's own at the broker: it connects, subscribes, publishes, and counts what comes."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from inspector.errors import BrokerError, SettingsError
from inspector.mqtt.certificate import shown_until
from inspector.mqtt.credentials import show_credentials, when_silent
from inspector.settings import BrokerSettings

PATIENCE_S = 5.0
_QUIET_S = 0.3


class Visitor:
    """Connected within the block.

    version: `5` or `3.1.1`. keep: the broker keeps the session for a minute after the block. receive_maximum: as many
    messages the broker may send ahead. acknowledge: whether what comes is acknowledged at once.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        client_id: str,
        *,
        version: str,
        keep: bool = False,
        receive_maximum: int | None = None,
        acknowledge: bool = True,
    ) -> None:
        self._broker = broker
        self._v5 = version == "5"
        self._keep = keep
        self._receive_maximum = receive_maximum
        self._changed = threading.Condition()
        self._refusal: str | None = None
        self._connected = False
        self._subscribed: list[ReasonCode] | None = None
        self._answers: dict[int, ReasonCode] = {}
        self.limits: dict[str, Any] = {}
        self.came: list[MQTTMessage] = []
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._v5 else not keep,
            protocol=MQTTProtocolVersion.MQTTv5 if self._v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=not acknowledge,
        )
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(1000)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish

    def __enter__(self) -> Self:
        """Raises BrokerError where the broker is not reached, or refuses."""
        where = f"broker {self._broker.address}"
        try:
            show_credentials(self._client, self._broker)
            self._client.connect_timeout = PATIENCE_S
            self._client.connect(self._broker.host, self._broker.port, **self._options())
        except (OSError, ValueError, SettingsError) as error:
            raise BrokerError(f"{where}: {error}") from error
        self._client.loop_start()
        if not self._wait(lambda: self._connected or self._refusal is not None):
            self._end()
            raise BrokerError(f"{where}: no answer to CONNECT in {PATIENCE_S:.0f} s{when_silent(self._broker)}")
        if self._refusal is not None:
            self._end()
            raise BrokerError(f"{where}: {self._refusal}")
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def certified_until(self) -> float | None:
        """Until when the broker's certificate is valid, seconds since 1970; None without TLS."""
        return shown_until(self._client.socket())

    def subscribe(self, topics: Sequence[str]) -> list[str | None]:
        """Why the broker refuses each topic, or None."""
        self._subscribed = None
        self._client.subscribe([(topic, 1) for topic in topics])
        if not self._wait(lambda: self._subscribed is not None):
            return ["no answer"] * len(topics)
        reasons: list[ReasonCode] = self._subscribed or []
        return [_refusal(reason) for reason in reasons]

    def publish(self, topic: str, payload: bytes) -> str | None:
        """Publishes with QoS 1; why the broker refuses it, or None. Brokers of 3.1.1 never say."""
        mid = self._client.publish(topic, payload, 1).mid
        if not self._wait(lambda: mid in self._answers):
            return "no answer"
        return _refusal(self._answers[mid])

    def publish_many(self, topic: str, count: int) -> int:
        """So many numbered messages; how many the broker confirmed."""
        before = len(self._answers)
        for number in range(count):
            self._client.publish(topic, str(number).encode(), 1)
        self._wait(lambda: len(self._answers) - before >= count, 2 * PATIENCE_S)
        return len(self._answers) - before

    def quiet(self) -> None:
        """Waits until nothing has come for _QUIET_S, at most PATIENCE_S."""
        end, last, since = time.monotonic() + PATIENCE_S, len(self.came), time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < _QUIET_S:
            time.sleep(0.02)
            if len(self.came) != last:
                last, since = len(self.came), time.monotonic()

    def acknowledge_all(self) -> None:
        """All that came and was not acknowledged; returns when no more comes."""
        done = 0
        while done < len(self.came):
            for message in self.came[done:]:
                self._client.ack(message.mid, 1)
                done += 1
            self.quiet()

    def _options(self) -> dict[str, Any]:
        if not self._v5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._keep:
            properties.SessionExpiryInterval = 60
        if self._receive_maximum is not None:
            properties.ReceiveMaximum = self._receive_maximum
        return {"clean_start": not self._keep, "properties": properties}

    def _wait(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def _end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _c: Client, _u: Any, _f: Any, reason: ReasonCode, properties: Properties | None) -> None:
        with self._changed:
            if reason.is_failure:
                self._refusal = f"refused: {reason}"
            else:
                self._connected = True
                self.limits = {} if properties is None else properties.json()  # type: ignore[no-untyped-call]
            self._changed.notify_all()

    def _on_subscribe(self, _c: Client, _u: Any, _m: int, reasons: list[ReasonCode], _p: Properties | None) -> None:
        with self._changed:
            self._subscribed = reasons
            self._changed.notify_all()

    def _on_publish(self, _c: Client, _u: Any, mid: int, reason: ReasonCode, _p: Properties | None) -> None:
        with self._changed:
            self._answers[mid] = reason
            self._changed.notify_all()

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        self.came.append(message)


def _refusal(reason: ReasonCode) -> str | None:
    return str(reason) if reason.is_failure else None
