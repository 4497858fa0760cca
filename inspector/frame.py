"""The one decoder, for calibration and line alike: payload bytes in, an upright RGB frame out.

The header is read first and the size it announces is checked before any pixel is allocated. OpenCV decodes: it applies
EXIF orientation, converts CMYK, expands grey and palettes, drops alpha (from 8-bit TIFFs: onto black), and keeps 16
bits, which are scaled here to 8, and inverted where a TIFF says that its white is 0: 8 bits OpenCV inverts itself.
"""

import hashlib
import io
import re

import cv2
import numpy as np

from inspector import chunks, strips
from inspector.errors import FrameDamagedError, FrameEmptyError, FrameFormatError, FrameTooLargeError
from inspector.header import reader_of
from inspector.strips import MOST_SCANS
from inspector.types import Frame, UInt8Image

MAX_PIXELS = 64_000_000
"""Default limit of width x height; 64 MP is 192 MB once decoded."""

_MOST_SEGMENTS = 1000
"""Of a JPEG behind its header: the scans, their tables, comments."""

_LONGEST_HEADER = 8_000_000
"""Bytes before the pixels of a JPEG or PNG: previews, colour profiles. Reading it may take as long as its square."""

_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd7\xff])")
"""In a JPEG, what is neither compressed data nor a place to take it up again."""

_SCAN, _END = b"\xda", b"\xd9"
_MAYBE_SCAN = re.compile(b"\xff" + _SCAN)

_FLAGS = {
    "JPEG": cv2.IMREAD_COLOR_RGB,
    "PNG": cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH,
    "BMP": cv2.IMREAD_COLOR_RGB,
    # Asked for RGB, OpenCV 5.0 gives arbitrary values for 16-bit colour TIFFs: these are swapped afterwards.
    "TIFF": cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH,
}

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(payload: bytes, *, max_pixels: int = MAX_PIXELS) -> Frame:
    """Decode a JPEG, PNG, TIFF (first page) or BMP.

    Returns:
        The frame: uint8 (height, width, 3) RGB, upright; 16-bit samples scaled by 1/257, never clipped.

    Raises:
        FrameEmptyError: no bytes.
        FrameFormatError: not one of the four formats, samples that are no 8- or 16-bit unsigned integers, or a
            compression that is not read.
        FrameTooLargeError: the header announces more than max_pixels, a JPEG has more than MOST_SCANS, a TIFF far
            longer fields or larger tiles than its picture needs, or a PNG too many chunks.
        FrameDamagedError: it begins like an image and does not decode, a strip of a TIFF is not whole, or a JPEG has no
            end marker. One that is cut in its middle and has the marker all the same decodes with grey below.
    """
    if not payload:
        raise FrameEmptyError("frame: got 0 bytes, expected a JPEG, PNG, TIFF or BMP image")
    kind, is_negative = _check_header(payload, max_pixels)
    if kind == "PNG":
        payload = chunks.bare(payload)
    try:
        decoded = cv2.imdecode(np.frombuffer(payload, np.uint8), _FLAGS[kind])
    except cv2.error as error:
        raise FrameDamagedError(f"frame: {kind} of {len(payload)} bytes does not decode ({error.err})") from error
    if decoded is None:
        raise FrameDamagedError(f"frame: {kind} of {len(payload)} bytes does not decode; expected an undamaged image")
    if decoded.dtype not in (np.uint8, np.uint16):
        raise FrameFormatError(f"frame: {kind} has {decoded.dtype} samples, expected 8- or 16-bit unsigned integers")
    if decoded.dtype == np.uint16:
        decoded = cv2.convertScaleAbs(cv2.bitwise_not(decoded) if is_negative else decoded, alpha=1 / 257)
    if not _FLAGS[kind] & cv2.IMREAD_COLOR_RGB:
        decoded = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    pixels: UInt8Image = np.asarray(decoded, np.uint8)
    return Frame(pixels)


def pixels_sha256(frame: Frame) -> str:
    """Digest of a frame's size and pixels, in hex: the same in whatever format it was stored without loss."""
    return hashlib.sha256(f"{frame.size_wh}".encode() + frame.pixels.tobytes()).hexdigest()


def _check_header(payload: bytes, max_pixels: int) -> tuple[str, bool]:
    """The format's name, once the header is sound and its size within the limit; and whether its white is 0."""
    kind, reader = reader_of(payload)
    stream = io.BytesIO(payload[:_LONGEST_HEADER] if kind in ("JPEG", "PNG") else payload)
    if kind == "TIFF":
        strips.check_fields(payload)
    try:
        header = reader(stream)
    except Exception as error:  # as in `header.open_header`
        if str(error) == "unknown pixel mode" and kind == "TIFF" and strips.has_whole_directory(payload):
            raise FrameFormatError(
                f"frame: {kind} has samples of a kind that is not read, expected 8- or 16-bit unsigned integers"
            ) from error
        raise FrameDamagedError(f"frame: {kind} of {len(payload)} bytes has a damaged header ({error})") from error
    width, height = header.size
    if width * height > max_pixels:
        raise FrameTooLargeError(
            f"frame: {kind} header announces {width}x{height} = {width * height / 1e6:.0f} MP, "
            f"the limit is {max_pixels / 1e6:.0f} MP; nothing was decoded"
        )
    if isinstance(header, strips.TiffFile):
        strips.check(header, payload, max_pixels)
        return kind, strips.is_negative(header)
    if kind == "JPEG":
        _check_jpeg(payload, stream.tell())
    return kind, False


def _check_jpeg(payload: bytes, at: int) -> None:
    """Passes a JPEG, whose first scan begins at this byte, that has its end marker and no more scans than allowed."""
    # libjpeg pads a truncated scan with grey and only warns: look for the end marker behind the headers.
    if payload.rfind(b"\xff" + _END, at) < 0:
        raise FrameDamagedError(f"frame: JPEG of {len(payload)} bytes ends before its end marker: truncated")
    if _has_too_many_scans(payload, at):
        raise FrameTooLargeError(
            f"frame: JPEG has more than {MOST_SCANS} scans or {_MOST_SEGMENTS} segments between them, expected about "
            "ten scans; nothing was decoded"
        )


def _has_too_many_scans(payload: bytes, at: int) -> bool:
    """Of a JPEG whose first scan begins at this byte."""
    # All scans are among these, which are counted first: to walk takes a third of decoding.
    if len(_MAYBE_SCAN.findall(payload, at)) < MOST_SCANS:
        return False
    scans = 1
    for _ in range(_MOST_SEGMENTS):
        marker = _MARKER.search(payload, at)
        if scans > MOST_SCANS or marker is None or marker[1] == _END:
            return scans > MOST_SCANS
        scans += marker[1] == _SCAN
        at = marker.end() + int.from_bytes(payload[marker.end() : marker.end() + 2], "big")
    return True
