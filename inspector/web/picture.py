"""Pictures as browsers show them."""

import io
from dataclasses import dataclass

import cv2
import numpy as np

from inspector import frame as decoder
from inspector.errors import FrameError, FrameTooLargeError
from inspector.header import open_header, orientation_of, turned
from inspector.thumbnail import fitted
from inspector.types import UInt8Image

SHOWN_AS_THEY_ARE = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "bmp": "image/bmp"}
"""Media types of the formats that every browser shows, by suffix."""

THUMBNAIL_WH = (400, 300)
"""The largest thumbnail, pixels: twice what the queue shows, for fine screens."""

THUMBNAILS_BYTES = 64_000_000
"""So much of them is kept of frames, and as much of samples."""

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


def shrunk(data: bytes, suffix: str, max_pixels: int) -> tuple[UInt8Image, float]:
    """Upright RGB pixels that fit a thumbnail, and their scale.

    Raises:
        FrameError: it does not decode, or its header announces more than max_pixels.
        OSError, ValueError: a JPEG does not decode.
    """
    if suffix in ("jpg", "jpeg"):  # decoded at an eighth to a half of its size, which large frames need
        with open_header(io.BytesIO(data)) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise FrameTooLargeError(f"frame: JPEG header announces {width}x{height}; nothing was decoded")
            picture.draft("RGB", THUMBNAIL_WH)
            upright = turned(picture, orientation_of(picture)).convert("RGB")
        whole = max(width, height) / max(upright.size)
        pixels: UInt8Image = np.asarray(upright, np.uint8)
    else:
        pixels, whole = decoder.decode(data, max_pixels=max_pixels).pixels, 1.0
    small, scale = fitted(pixels, THUMBNAIL_WH)
    return small, scale / whole


def _upright(data: bytes) -> bool:
    try:
        with open_header(io.BytesIO(data)) as header:
            return orientation_of(header) == 1
    except FrameError:
        return True


def _png(pixels: UInt8Image) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])
