"""Pictures as browsers show them."""

import io
from dataclasses import dataclass

import cv2

from inspector import frame as decoder
from inspector.errors import FrameError
from inspector.header import open_header, orientation_of
from inspector.types import UInt8Image

SHOWN_AS_THEY_ARE = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "bmp": "image/bmp"}
"""Media types of the formats that every browser shows, by suffix."""


UNCHANGING = {"cache-control": "private, max-age=86400, immutable"}
"""Headers of a picture whose address names its content."""

ASKED_AGAIN = {"cache-control": "private, no-cache"}
"""Headers of one whose address may lead to another one later."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes for a browser."""

    data: bytes
    media_type: str


def for_browser(data: bytes, suffix: str, *, max_pixels: int) -> Picture:
    """A frame of this format as it is; what browsers do not show, or would turn, as PNG.

    Raises:
        FrameError: it is to be decoded, and does not decode.
    """
    media_type = SHOWN_AS_THEY_ARE.get(suffix)
    if media_type is not None and _upright(data):
        return Picture(data, media_type)
    return Picture(_png(decoder.decode(data, max_pixels=max_pixels).pixels), "image/png")


def _upright(data: bytes) -> bool:
    try:
        with open_header(io.BytesIO(data)) as header:
            return orientation_of(header) == 1
    except FrameError:
        return True


def _png(pixels: UInt8Image) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])
