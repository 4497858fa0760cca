"""A message as it came from the broker."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from paho.mqtt.client import MQTTMessage


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came over the connection of number `link`, and when.

    clock: perf_counter at arrival, seconds.
    """

    link: int
    mid: int
    topic: str
    payload: bytes
    dup: bool = False
    retain: bool = False
    content_type: str | None = None
    properties: Sequence[tuple[str, str]] = ()
    response_topic: str | None = None
    correlation: bytes | None = None
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, link: int, message: MQTTMessage) -> Self:
        """The message that just came over that connection."""
        said = message.properties
        return cls(
            link=link,
            mid=message.mid,
            topic=message.topic,
            payload=bytes(message.payload),
            dup=message.dup,
            retain=message.retain,
            content_type=getattr(said, "ContentType", None),
            properties=getattr(said, "UserProperty", ()),
            response_topic=getattr(said, "ResponseTopic", None),
            correlation=getattr(said, "CorrelationData", None),
        )
