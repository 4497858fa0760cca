"""Headers of pictures, read without a pixel: the format, the size, and how the camera was held."""

import re
import struct
import warnings
from collections.abc import Callable
from typing import IO

from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin

from inspector import chunks, strips
from inspector.errors import FrameDamagedError, FrameFormatError
from inspector.folder import CONVERT

_Reader = Callable[[IO[bytes]], ImageFile.ImageFile]

_HEADERS: dict[bytes, tuple[str, _Reader]] = {
    b"\xff\xd8\xff": ("JPEG", JpegImagePlugin.JpegImageFile),
    b"\x89PNG\r\n\x1a\n": ("PNG", chunks.PngFile),
    b"II*\x00": ("TIFF", strips.TiffFile),
    b"MM\x00*": ("TIFF", strips.TiffFile),
    b"BM": ("BMP", BmpImagePlugin.BmpImageFile),
}
"""Name and header reader of each format, by its first bytes."""

_OTHERS = {
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8"),
    "JPEG 2000": re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    "JPEG XL": re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"),
    "AVIF": re.compile(rb".{4}ftypavi", re.DOTALL),
    "HEIC": re.compile(rb".{4}ftyp(?:hei|hev|mif)", re.DOTALL),
    "PGM or PPM": re.compile(rb"P[1-7]\s"),
    "BigTIFF": re.compile(rb"II\x2b\0|MM\0\x2b"),
    "OpenEXR": re.compile(rb"\x76\x2f\x31\x01"),
    "PSD": re.compile(rb"8BPS"),
    "PDF": re.compile(rb"%PDF"),
}
"""How other formats begin: they are not read, but told by name."""

_LONGEST_MAGIC = 12
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101

_SUFFIXES = {"JPEG": "jpg", "PNG": "png", "TIFF": "tiff", "BMP": "bmp"}

# A header that Pillow finds odd may well decode. Told once: to set a filter for one call would not be safe in threads.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.\w+ImagePlugin")


def suffix_of(payload: bytes) -> str | None:
    """jpg, png, tiff or bmp, by how the payload begins; None for anything else."""
    return next((_SUFFIXES[kind] for begin, (kind, _) in _HEADERS.items() if payload.startswith(begin)), None)


def open_header(stream: IO[bytes]) -> ImageFile.ImageFile:
    """A JPEG, PNG, TIFF or BMP of any size, of which only the header is read.

    Pillow's own `open` refuses very large pictures; here that is decided when a frame arrives.

    Raises:
        FrameFormatError: not one of the four formats.
        FrameDamagedError: the header cannot be read.
    """
    begin = stream.read(_LONGEST_MAGIC)
    stream.seek(0)
    kind, reader = reader_of(begin)
    try:
        return reader(stream)
    except Exception as error:  # Pillow's readers raise many kinds on damaged headers; each means the same here
        raise FrameDamagedError(f"frame: {kind} has a damaged header ({error})") from error


def orientation_of(header: ImageFile.ImageFile) -> int:
    """The EXIF orientation, 1 to 8: 1 is upright, from 5 on width and height are exchanged.

    It is the one that `frame.decode` applies. Pillow would also take one out of XMP, or out of text that ImageMagick
    writes.
    """
    if isinstance(header, strips.TiffFile):
        found = header.tag_v2.get(_ORIENTATION)
    else:
        found = _orientation_in(header.info.get("exif", b"").removeprefix(b"Exif\0\0"))
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """The picture upright, by its EXIF orientation, 1 to 8."""
    return picture.transpose(_TURNS[orientation]) if orientation > 1 else picture


def upright_size_wh(stream: IO[bytes]) -> tuple[int, int]:
    """Width and height of the picture once it is upright.

    Raises:
        FrameFormatError, FrameDamagedError: as `open_header`.
    """
    with open_header(stream) as header:
        width, height = header.size
        if isinstance(header, strips.TiffFile):  # whose size newer Pillows tell upright
            width, height = header.tag_v2[_TIFF_WIDTH], header.tag_v2[_TIFF_HEIGHT]
        return (height, width) if orientation_of(header) >= 5 else (width, height)


def reader_of(payload: bytes) -> tuple[str, _Reader]:
    """The format's name and its header reader, by the first bytes.

    Raises:
        FrameFormatError: not one of the four formats; a usual one is told by name.
    """
    for magic, kind_and_reader in _HEADERS.items():
        if payload.startswith(magic):
            return kind_and_reader
    expected = "expected a JPEG, PNG, TIFF or BMP image"
    if name := next((name for name, begin in _OTHERS.items() if begin.match(payload)), None):
        raise FrameFormatError(f"frame: got {name}, {expected}; {CONVERT}")
    raise FrameFormatError(f"frame: {len(payload)} bytes beginning with {payload[:8].hex(' ')}, {expected}")


def _orientation_in(exif: bytes) -> int | None:
    """As OpenCV reads it: the first field of that name, two bytes of it, of whatever kind."""
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        place = next((place for tag, _, _, place in strips.fields(exif) if tag == _ORIENTATION), None)
    except struct.error:
        return None
    return None if place is None else place & 0xFFFF if exif.startswith(b"II") else place >> 16
