"""The one decoder, for calibration and line alike: payload bytes in, an upright RGB frame out.

The header is read first and the size it announces is checked before any pixel is allocated. OpenCV decodes: it applies
EXIF orientation, converts CMYK, expands grey and palettes, drops alpha, and keeps 16 bits, which are scaled here to 8.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from inspector.errors import FrameDamagedError, FrameEmptyError, FrameFormatError, FrameTooLargeError
from inspector.types import Frame

MAX_PIXELS = 64_000_000
"""Default limit of width x height; 64 MP is 192 MB once decoded."""

_HEADERS: dict[bytes, tuple[str, Callable[[io.BytesIO], ImageFile.ImageFile]]] = {
    b"\xff\xd8\xff": ("JPEG", JpegImagePlugin.JpegImageFile),
    b"\x89PNG\r\n\x1a\n": ("PNG", PngImagePlugin.PngImageFile),
    b"II*\x00": ("TIFF", TiffImagePlugin.TiffImageFile),
    b"MM\x00*": ("TIFF", TiffImagePlugin.TiffImageFile),
    b"BM": ("BMP", BmpImagePlugin.BmpImageFile),
}

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(payload: bytes, *, max_pixels: int = MAX_PIXELS) -> Frame:
    """Decode a JPEG, PNG, TIFF (first page) or BMP.

    Returns:
        The frame: uint8 (height, width, 3) RGB, upright; 16-bit samples scaled by 1/257, never clipped.

    Raises:
        FrameEmptyError: no bytes.
        FrameFormatError: not one of the four formats, or samples that are no 8- or 16-bit integers.
        FrameTooLargeError: the header announces more than max_pixels.
        FrameDamagedError: it begins like an image and does not decode to its end.
    """
    if not payload:
        raise FrameEmptyError("frame: got 0 bytes, expected a JPEG, PNG, TIFF or BMP image")
    kind = _check_header(payload, max_pixels)
    try:
        pixels = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise FrameDamagedError(f"frame: {kind} of {len(payload)} bytes does not decode ({error.err})") from error
    if pixels is None:
        raise FrameDamagedError(
            f"frame: {kind} of {len(payload)} bytes does not decode; expected an undamaged 8- or 16-bit image"
        )
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.dtype != np.uint8:
        raise FrameFormatError(f"frame: {kind} has {pixels.dtype} samples, expected 8- or 16-bit integers")
    return Frame(pixels)


def _check_header(payload: bytes, max_pixels: int) -> str:
    """The format's name, once the header is sound and its size within the limit."""
    for magic, (kind, open_header) in _HEADERS.items():
        if payload.startswith(magic):
            break
    else:
        raise FrameFormatError(
            f"frame: {len(payload)} bytes beginning with {payload[:8].hex(' ')}, expected a JPEG, PNG, TIFF or BMP image"
        )
    stream = io.BytesIO(payload)
    try:
        header = open_header(stream)
    except Exception as error:  # Pillow's readers raise many kinds on damaged headers; each means the same here
        raise FrameDamagedError(f"frame: {kind} of {len(payload)} bytes has a damaged header ({error})") from error
    width, height = header.size
    if width * height > max_pixels:
        raise FrameTooLargeError(
            f"frame: {kind} header announces {width}x{height} = {width * height / 1e6:.0f} MP, "
            f"the limit is {max_pixels / 1e6:.0f} MP; nothing was decoded"
        )
    if header.mode == "F":
        raise FrameFormatError(f"frame: {kind} has floating-point samples, expected 8- or 16-bit integers")
    # libjpeg pads a truncated scan with grey and only warns: look for the end marker behind the headers.
    if kind == "JPEG" and payload.rfind(b"\xff\xd9", stream.tell()) < 0:
        raise FrameDamagedError(f"frame: JPEG of {len(payload)} bytes ends before its end marker: truncated")
    return kind
