"""The message around an image: checked where it arrives, written where it is sent."""

import re
import zlib
from base64 import b64encode
from datetime import UTC, datetime

from inspector.contract.documents import compact, timestamp
from inspector.contract.raw_frame import FRAME_PROPERTIES, MAX_SEQ, MAX_TEXT, RawFrame
from inspector.errors import FrameChecksumError, FrameMessageError
from inspector.types import Expected, FrameMessage, StationId

_CRC32 = re.compile(r"[0-9a-fA-F]{8}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def check(station: StationId, raw: RawFrame) -> FrameMessage:
    """A message that keeps the contract.

    Raises:
        FrameMessageError: a property is missing or malformed.
        FrameChecksumError: the image is not the one that its CRC-32 was made of.
    """
    if raw.fault is not None:
        raise FrameMessageError(f"{station}: {raw.fault}")
    frame_id = _text(station, raw, "frame_id")
    if frame_id is None:
        raise FrameMessageError(
            f"{station}: frame_id is missing, expected a v5 user property, or under 3.1.1 a JSON envelope"
        )
    message = FrameMessage(
        station=station,
        frame_id=frame_id,
        payload=raw.image,
        sha256=raw.sha256,
        seq=_seq(station, raw),
        captured_at=_captured_at(station, raw),
        part_id=_text(station, raw, "part_id"),
        lot=_text(station, raw, "lot"),
        recipe=_text(station, raw, "recipe"),
        expected=_expected(station, raw),
    )
    _check_crc32(station, raw)
    return message


def _malformed(station: StationId, name: str, value: object, expected: str) -> FrameMessageError:
    got = repr(value)
    short = got if len(got) <= 60 else f"{got[:57]}..."
    return FrameMessageError(f"{station}: {name}: got {short}, expected {expected}")


def _text(station: StationId, raw: RawFrame, name: str) -> str | None:
    value = raw.said.get(name)
    if value is not None and raw.text(name) is None:
        raise _malformed(station, name, value, f"1 to {MAX_TEXT} characters, none a control character")
    return raw.text(name)


def _seq(station: StationId, raw: RawFrame) -> int | None:
    value = raw.said.get("seq")
    if value is not None and raw.seq is None:
        raise _malformed(station, "seq", value, f"an integer from 0 to {MAX_SEQ}")
    return raw.seq


def _captured_at(station: StationId, raw: RawFrame) -> datetime | None:
    value = raw.said.get("captured_at")
    if value is None:
        return None
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _malformed(station, "captured_at", value, "RFC 3339 with an offset, as in 2026-03-01T08:00:00.125Z")


def _expected(station: StationId, raw: RawFrame) -> Expected | None:
    value = raw.said.get("expected")
    if value is not None and raw.expected is None:
        raise _malformed(station, "expected", value, "ok or ng, for a check part; without it for production")
    return raw.expected


def _check_crc32(station: StationId, raw: RawFrame) -> None:
    value = raw.said.get("crc32")
    if value is None:
        return
    if not isinstance(value, str) or not _CRC32.fullmatch(value):
        raise _malformed(station, "crc32", value, "eight hexadecimal digits")
    got = crc32_of(raw.image)
    if got != value.lower():
        raise FrameChecksumError(
            f"{station}: crc32: the camera sent {value.lower()}, the {len(raw.image)} bytes that arrived have {got}"
        )


def crc32_of(image: bytes) -> str:
    """CRC-32 (as in zlib, PNG and Ethernet) as eight hexadecimal digits."""
    return f"{zlib.crc32(image):08x}"


def frame_properties(message: FrameMessage) -> list[tuple[str, str]]:
    """The v5 user properties that go with a raw image."""
    values = _said_of(message)
    return [(name, str(values[name])) for name in FRAME_PROPERTIES if values[name] is not None]


def frame_envelope(message: FrameMessage) -> bytes:
    """The JSON envelope of an image, for MQTT 3.1.1."""
    values = {name: value for name, value in _said_of(message).items() if value is not None}
    return compact({**values, "image": b64encode(message.payload).decode()})


def _said_of(message: FrameMessage) -> dict[str, str | int | None]:
    return {
        "frame_id": message.frame_id,
        "seq": message.seq,
        "captured_at": timestamp(message.captured_at),
        "part_id": message.part_id,
        "lot": message.lot,
        "recipe": message.recipe,
        "expected": message.expected,
        "crc32": crc32_of(message.payload),
    }
