"""Lets messages through that brokers forward and paho refuses. Such a message would end the connection before any
handler sees it, come again over the next one, and hold back for ever what waits behind it. So would one of so many
properties that reading them takes longer than the broker waits for a sign of life.

`install` replaces two functions of paho's for the whole process: properties of a message with U+FEFF are read (MQTT 5
section 1.5.4 allows it), and where others cannot be read, or there are too many, the message arrives without any.
"""

import paho.mqtt.properties as paho
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes

_REASON = "unreadable"
_MOST_BYTES = 65_536
"""Of a message's properties together. paho takes a second for so many of the shortest, and their square for more."""

_strict_unpack = paho.Properties.unpack


def install() -> None:
    """From now on messages arrive whatever their properties say."""
    paho.readUTF = _read_text
    paho.Properties.unpack = _unpack  # type: ignore[method-assign]


def unreadable(said: object) -> str | None:
    """Why the properties of a message could not be read, or None."""
    why: str | None = getattr(said, _REASON, None)
    return why


def _read_text(buffer: bytes, most: int) -> tuple[str, int]:
    """As paho does it, but for U+FEFF; that the text is UTF-8, and no surrogate, is up to the decoder."""
    if most < 2:
        raise MalformedPacket("Not enough data to read string length")
    length = paho.readInt16(buffer)  # type: ignore[no-untyped-call]
    if length > most - 2:
        raise MalformedPacket("Length delimited string too long")
    text = bytes(buffer[2 : 2 + length]).decode("utf-8")
    if "\0" in text:
        raise MalformedPacket("[MQTT-1.5.4-2] Null found in UTF-8 data")
    return text, length + 2


def _unpack(self: paho.Properties, buffer: bytes) -> tuple[paho.Properties, int]:
    """All properties or none: a part might be taken for the whole. paho copies what is left of the buffer several times
    for each of them: it is given no more than their bytes, without the payload, and not too many of these.
    """
    if self.packetType != PacketTypes.PUBLISH:
        return _strict_unpack(self, buffer)  # type: ignore[no-any-return, no-untyped-call]
    length, size = paho.VariableByteIntegers.decode(buffer[:5])  # type: ignore[no-untyped-call]
    try:
        if length > _MOST_BYTES:
            raise MalformedPacket(f"{length} bytes of properties, expected at most {_MOST_BYTES}")
        _strict_unpack(self, buffer[: size + length])  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 (paho raises many kinds; the message comes all the same)
        self.clear()  # type: ignore[no-untyped-call]
        object.__setattr__(self, _REASON, str(error))
    return self, size + length
