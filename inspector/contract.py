"""The MQTT contract, without MQTT: topics, the message around an image, and what is published about it.

    inspector/v1/{site}/{area}/{line}/{station}/frame    in: an image with v5 properties, or a JSON envelope
    inspector/v1/{site}/{area}/{line}/{station}/verdict  out
    inspector/v1/{site}/{area}/{line}/{station}/error    out: what could not be inspected, and why
    inspector/v1/{site}/{area}/{line}/{station}/heatmap  out: PNG, on request
    inspector/v1/{site}/{area}/{line}/{station}/drift    out, retained: whether its pictures are still like the normals
    inspector/v1/_inspector/{instance}/...               the daemon itself

`schemas/` holds the JSON Schema of the envelope, the verdict, the error and the drift.
"""

import binascii
import hashlib
import json
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any, ClassVar, Literal

from inspector.errors import FrameChecksumError, FrameError, FrameMessageError
from inspector.types import BankRef, Expected, FrameMessage, StationId, Verdict

ROOT = "inspector/v1"
ALL_FRAMES = f"{ROOT}/+/+/+/+/frame"
ENVELOPE_TYPE = "application/json"
FRAME_PROPERTIES = ("frame_id", "seq", "captured_at", "part_id", "lot", "recipe", "expected", "crc32")
VERDICT_SCHEMA = "inspector.verdict/1"
ERROR_SCHEMA = "inspector.error/1"
DRIFT_SCHEMA = "inspector.drift/1"

_MAX_TEXT = 128
_LEAD = 64
_BEFORE_ENVELOPE = b"\xef\xbb\xbf \t\r\n"
"""A byte order mark and white space, which no image begins with."""

_MAX_SEQ = 2**63 - 1
_TEXT = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{_MAX_TEXT}}}")
_CRC32 = re.compile(r"[0-9a-fA-F]{8}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


class UnknownStationError(FrameError):
    """A frame came from a station that is not in the configuration."""

    reason: ClassVar[str] = "unknown_station"


def station_topic(station: StationId, kind: Literal["frame", "verdict", "error", "heatmap", "drift"]) -> str:
    """`inspector/v1/{site}/{area}/{line}/{station}/{kind}`."""
    return f"{ROOT}/{station}/{kind}"


def instance_topic(instance: str, name: str) -> str:
    """`inspector/v1/_inspector/{instance}/{name}`."""
    return f"{ROOT}/_inspector/{instance}/{name}"


def schema(name: Literal["frame", "verdict", "error", "drift"]) -> dict[str, Any]:
    """The JSON Schema of the frame envelope, the verdict, the error or the drift."""
    text = resources.files("inspector").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A message out of its wrapping, nothing checked: the image's bytes, and what is said about it."""

    image: bytes
    sha256: str
    said: Mapping[str, object]
    fault: str | None = None

    @property
    def frame_id(self) -> str:
        """The id in the ledger: as the station gave it, or `sha256:...` where none is legible."""
        return self.text("frame_id") or f"sha256:{self.sha256}"

    def text(self, name: str) -> str | None:
        """A property when it is legible text, else None."""
        value = self.said.get(name)
        return value if isinstance(value, str) and _TEXT.fullmatch(value) else None

    @property
    def expected(self) -> Expected | None:
        """What the part of a check is known to be, also where something else of the message is malformed."""
        value = self.said.get("expected")
        return Expected(value) if isinstance(value, str) and value in tuple(Expected) else None


def unpack(payload: bytes, *, content_type: str | None = None, properties: Iterable[tuple[str, str]] = ()) -> RawFrame:
    """Takes the image out of a message: raw bytes with v5 properties, or a JSON envelope with base64.

    Never raises: a fault in the wrapping is kept, so that the message can be told about.
    """
    bare = content_type.split(";")[0].strip().lower() if content_type else None
    if bare == ENVELOPE_TYPE or (bare is None and payload[:_LEAD].lstrip(_BEFORE_ENVELOPE)[:1] == b"{"):
        return _open_envelope(payload)
    said: dict[str, object] = {}
    fault = None
    for name, value in properties:
        if name not in FRAME_PROPERTIES:
            continue
        if name in said:
            fault = f"{name}: given more than once, expected once"
        said[name] = value
    return RawFrame(payload, _sha256(payload), said, fault)


def _open_envelope(payload: bytes) -> RawFrame:
    def faulty(said: Mapping[str, object], fault: str) -> RawFrame:
        return RawFrame(payload, _sha256(payload), said, f"envelope: {fault}")

    expected = "expected an object with frame_id and image (base64)"
    try:
        envelope = json.loads(payload)
    except (ValueError, RecursionError):
        return faulty({}, f"not valid JSON, {expected}")
    if not isinstance(envelope, dict):
        return faulty({}, f"got {type(envelope).__name__}, {expected}")
    said = {name: envelope[name] for name in FRAME_PROPERTIES if envelope.get(name) is not None}
    encoded = envelope.get("image")
    if not isinstance(encoded, str):
        return faulty(said, f"image: got {type(encoded).__name__}, expected base64 text")
    try:
        image = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return faulty(said, "image: not valid base64")
    return RawFrame(image, _sha256(image), said)


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
        raise _malformed(station, name, value, f"1 to {_MAX_TEXT} characters, none a control character")
    return raw.text(name)


def _seq(station: StationId, raw: RawFrame) -> int | None:
    value = raw.said.get("seq")
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= 19 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_SEQ:
        raise _malformed(station, "seq", raw.said["seq"], f"an integer from 0 to {_MAX_SEQ}")
    return value


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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def frame_properties(message: FrameMessage) -> list[tuple[str, str]]:
    """The v5 user properties that go with a raw image."""
    values = _said_of(message)
    return [(name, str(values[name])) for name in FRAME_PROPERTIES if values[name] is not None]


def frame_envelope(message: FrameMessage) -> bytes:
    """The JSON envelope of an image, for MQTT 3.1.1."""
    values = {name: value for name, value in _said_of(message).items() if value is not None}
    return _json({**values, "image": b64encode(message.payload).decode()})


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


def timestamp(moment: datetime | None) -> str | None:
    """UTC in RFC 3339 with microseconds: `2026-03-01T08:00:00.125000Z`."""
    if moment is None:
        return None
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def verdict_json(verdict: Verdict) -> bytes:
    """What `/verdict` carries."""
    return _json(
        {
            "schema": VERDICT_SCHEMA,
            "result_id": verdict.result_id,
            "station": str(verdict.station),
            "frame_id": verdict.frame_id,
            "seq": verdict.seq,
            "part_id": verdict.part_id,
            "lot": verdict.lot,
            "recipe": verdict.recipe,
            "decision": verdict.decision.value,
            "reason": verdict.reason,
            "score": verdict.score,
            "thresholds": {
                "ok": verdict.thresholds.ok,
                "ng": verdict.thresholds.ng,
                "pixel": verdict.thresholds.pixel,
            },
            "p_value": verdict.p_value,
            "regions": [
                {"x": r.x, "y": r.y, "width": r.width, "height": r.height, "area": r.area, "score": r.score}
                for r in verdict.regions
            ],
            "bank": {"id": verdict.bank.id, "digest": verdict.bank.digest},
            "captured_at": timestamp(verdict.captured_at),
            "received_at": timestamp(verdict.received_at),
            "decided_at": timestamp(verdict.decided_at),
            "stage_ms": {stage: round(ms, 3) for stage, ms in verdict.stage_ms.items()},
            "drift": list(verdict.drift),
            "check": None
            if verdict.expected is None
            else {"expected": verdict.expected, "passed": verdict.expected.met_by(verdict.decision)},
        }
    )


def drift_json(
    station: StationId,
    *,
    state: str,
    since: datetime,
    frames: int,
    bank: BankRef | None,
    signals: Mapping[str, Mapping[str, object]],
) -> bytes:
    """What `/drift` carries. since: when a state changed last. frames: how many the charts have seen."""
    return _json(
        {
            "schema": DRIFT_SCHEMA,
            "station": str(station),
            "state": state,
            "since": timestamp(since),
            "frames": frames,
            "bank": None if bank is None else {"id": bank.id, "digest": bank.digest},
            "signals": signals,
        }
    )


def error_json(
    error: FrameError,
    station: str,
    raw: RawFrame,
    *,
    result_id: str,
    received_at: datetime,
    decided_at: datetime,
    quarantine_id: str | None,
) -> bytes:
    """What `/error` carries: why, and what is known of the frame. quarantine_id: None, bytes not kept."""
    return _json(
        {
            "schema": ERROR_SCHEMA,
            "result_id": result_id,
            "station": station,
            "frame_id": raw.frame_id,
            "part_id": raw.text("part_id"),
            "lot": raw.text("lot"),
            "expected": raw.expected,
            "decision": "error",
            "reason": error.reason,
            "message": str(error),
            "sha256": raw.sha256,
            "bytes": len(raw.image),
            "quarantine_id": quarantine_id,
            "received_at": timestamp(received_at),
            "decided_at": timestamp(decided_at),
        }
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
