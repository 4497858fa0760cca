"""Who a client is to the broker."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """The name of a client, and what it asks for.

    subscriptions: topic filter and QoS. persistent: the broker keeps the session while the daemon is away.
    receive_maximum: messages that the broker may send ahead of their acknowledgement (MQTT 5).
    will: topic and payload, retained, that the broker publishes when the client is gone without a word.
    """

    client_id: str
    subscriptions: Sequence[tuple[str, int]] = ()
    persistent: bool = False
    receive_maximum: int | None = None
    will: tuple[str, bytes] | None = None
