"""A message around an image, taken out of its wrapping."""

import binascii
import hashlib
import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inspector.legible import is_word
from inspector.types import Expected

ENVELOPE_TYPE = "application/json"
FRAME_PROPERTIES = ("frame_id", "seq", "captured_at", "part_id", "lot", "recipe", "expected", "crc32")
MAX_TEXT = 128
"""Characters of a property, at most."""

MAX_SEQ = 2**63 - 1
"""The largest number that every database holds."""

_MOST_VALUES = 10_000
"""Of an envelope, which needs a dozen. Each of two bytes takes seventy once it is parsed."""

_LEAD = 64
_BEFORE_ENVELOPE = b"\xef\xbb\xbf \t\r\n"
"""A byte order mark and white space, which no image begins with."""


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
        return value if isinstance(value, str) and is_word(value, MAX_TEXT) else None

    @property
    def seq(self) -> int | None:
        """The sequence number when it is one, also where something else of the message is malformed."""
        value = self.said.get("seq")
        if isinstance(value, str):
            value = int(value) if len(value) <= 19 and value.isascii() and value.isdigit() else None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEQ else None

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
    if sum(payload.count(sign) for sign in b"{[,") > _MOST_VALUES:  # none of which is in base64
        return faulty({}, f"more than {_MOST_VALUES} values, {expected}")
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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
