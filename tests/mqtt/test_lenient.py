"""Properties of messages that paho would refuse, or read for minutes."""

import time
import tracemalloc

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from inspector.mqtt import lenient

lenient.install()


def with_properties(count: int, payload: bytes = b"") -> tuple[bytes, int]:
    """What follows the mid of a PUBLISH, and how many of its bytes are before the payload."""
    properties = b"\x26\x00\x01a\x00\x00" * count
    head = VariableByteIntegers.encode(len(properties)) + properties
    return head + payload, len(head)


def test_more_properties_than_are_read_in_time_are_passed_over_at_once() -> None:
    buffer, length = with_properties(170_000, b"image")
    assert length > 1_000_000
    began = time.monotonic()
    said, used = Properties(PacketTypes.PUBLISH).unpack(buffer)
    assert time.monotonic() - began < 0.5
    assert used == length
    assert "1020000 bytes of properties, expected at most" in (lenient.unreadable(said) or "")
    assert not hasattr(said, "UserProperty")


def test_properties_are_read_without_a_copy_of_the_payload() -> None:
    buffer, length = with_properties(8, bytes(10_000_000))
    tracemalloc.start()
    said, used = Properties(PacketTypes.PUBLISH).unpack(buffer)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (used, lenient.unreadable(said), said.UserProperty) == (length, None, [("a", "")] * 8)
    assert peak < 1_000_000
