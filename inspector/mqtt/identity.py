"""Who a client is to the broker."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """The name of a client, and what it asks for.

    name: what logs and messages tell of it. key: a secret that its client id ends in, so that nobody else can connect
    under it. subscriptions: topic filter and QoS. persistent: the broker keeps the session while the daemon is away.
    receive_maximum: messages that the broker may send ahead of their acknowledgement (MQTT 5).
    will: topic and payload, retained, that the broker publishes when the client is gone without a word.
    """

    name: str
    subscriptions: Sequence[tuple[str, int]] = ()
    persistent: bool = False
    receive_maximum: int | None = None
    will: tuple[str, bytes] | None = None
    key: str = field(default="", repr=False)

    @property
    def client_id(self) -> str:
        """What the broker knows it by."""
        return f"{self.name}:{self.key}" if self.key else self.name
