"""A TIFF before it is decoded: whether OpenCV reads its samples rightly, and whether what compresses them is whole,
strip by strip, and no more than its picture needs.

OpenCV decodes a damaged strip of an 8-bit TIFF as far as it can, and says nothing of the rest. Deflate has a checksum
for each strip. Of LZW and PackBits Pillow's decoder says where they cannot be read; many a wrong byte they cannot tell.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import chain, repeat

from PIL import TiffImagePlugin

from inspector.errors import FrameDamagedError, FrameFormatError, FrameTooLargeError

_NOT_UNPACKED = ("lzma", "webp", "zstd")
"""What Pillow's header reader may name and OpenCV's libtiff does not unpack."""

_DEFLATE = ("tiff_adobe_deflate", "tiff_deflate")
_TOLD_BY_PILLOW = ("tiff_lzw", "packbits")
_BROKEN = "-2"
"""How Pillow's errors end where a decoder met what it cannot read; others do not mean damage."""

_JPEG = "jpeg"
_SCAN = b"\xff\xda"

MOST_SCANS = 32
"""Of a JPEG: encoders make about ten. Each takes as long as a whole picture, and may be sixty bytes long."""

_MOST_NUMBERS = 1_000_000
"""In one field. A picture of 64 MP has some ten thousand strips."""

_BYTES_OF = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""How long a number is, by the kind of its field."""

_BYTE_FIELDS = (1, 2, 6, 7)
"""Kinds of fields that are bytes, not numbers."""

_MOST = 200_000
"""Strips or tiles. A picture of 64 MP has some ten thousand; each takes some microseconds, however small."""

_FILL = 2048 * 2048
"""Pixels by which the tiles of a small picture may be larger than what is allowed of a picture twice."""

_STEP = 16_384
"""Compressed bytes, which become a thousand times as many at most."""

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 258, 262, 277, 284
_STRIP_OFFSETS, _STRIP_ROWS, _STRIP_COUNTS = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_WHITE_IS_ZERO, _PALETTE, _YCBCR = 0, 3, 6

# Pillow knows such samples of the other byte order alone. Nothing but the header is asked of it.
TiffImagePlugin.OPEN_INFO.setdefault((b"MM", _WHITE_IS_ZERO, (1,), 1, (16,), ()), ("I;16B", "I;16B"))


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF whose pixels are only tried: to turn them upright would take time and memory."""

    def load_end(self) -> None:
        """Leaves them as they lie in the file."""


def fields(payload: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Name, kind, count and place of each field of the first page; raises struct.error where they are cut off."""
    order = "<" if payload.startswith(b"II") else ">"
    (begin,) = struct.unpack_from(f"{order}I", payload, 4)
    (number,) = struct.unpack_from(f"{order}H", payload, begin)
    for at in range(begin + 2, begin + 2 + 12 * number, 12):
        yield struct.unpack_from(f"{order}HHII", payload, at)


def check_fields(payload: bytes) -> None:
    """Raises FrameTooLargeError: the first page says so many numbers about itself that reading them takes very long."""
    try:
        endless = any(kind not in _BYTE_FIELDS and count > _MOST_NUMBERS for _, kind, count, _ in fields(payload))
    except struct.error:
        return  # cut off: its reader says so
    if endless:
        raise FrameTooLargeError(
            f"frame: TIFF has a field of more than {_MOST_NUMBERS} numbers, which no picture needs; nothing was decoded"
        )


def has_whole_directory(payload: bytes) -> bool:
    """Whether the tags of the first page, and what they point to, lie within the payload."""
    try:
        for _, kind, count, place in fields(payload):
            size = count * _BYTES_OF.get(kind, 0)
            if size > 4 and place + size > len(payload):
                return False
    except struct.error:
        return False
    return True


def is_negative(header: TiffFile) -> bool:
    """Whether 0 is white, as scanners write it."""
    return bool(header.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)


def check(header: TiffFile, payload: bytes, max_pixels: int) -> None:
    """Passes a TIFF that OpenCV decodes rightly, if at all.

    Raises:
        FrameFormatError: its samples or their compression are of a kind that is not read.
        FrameTooLargeError: it has more than _MOST strips or tiles, or tiles of more than twice max_pixels and _FILL, or
            a strip or tile is a JPEG of more than MOST_SCANS.
        FrameDamagedError: a strip or tile is not whole, or missing.
    """
    _check_samples(header)
    _check_pieces(header, max_pixels)
    _check_whole(header, payload)


def _check_samples(header: TiffFile) -> None:
    if header.mode in ("F", "I"):
        samples = "floating-point" if header.mode == "F" else "signed or 32-bit"
        raise FrameFormatError(f"frame: TIFF has {samples} samples, expected 8- or 16-bit unsigned integers")
    if (compression := header.info.get("compression")) in _NOT_UNPACKED:
        raise FrameFormatError(
            f"frame: TIFF is compressed by {compression}, expected none, LZW, deflate, PackBits or JPEG"
        )
    if _is_coarse(header):
        raise FrameFormatError("frame: TIFF has samples of 2 or 4 bits, expected 8- or 16-bit unsigned integers")
    if _is_deep_in_planes(header):
        raise FrameFormatError("frame: TIFF has 16-bit colours in planes, expected them together for each pixel")


def _is_coarse(header: TiffFile) -> bool:
    """Whether its samples have 2 bits, or 4 that are no numbers of colours: OpenCV refuses these like damaged ones."""
    bits = max(header.tag_v2.get(_BITS, (1,)))
    return bits == 2 or (bits == 4 and header.tag_v2.get(_PHOTOMETRIC) != _PALETTE)


def _is_deep_in_planes(header: TiffFile) -> bool:
    """Whether colours of 16 bits lie each in strips of its own: OpenCV gives arbitrary values for two of them."""
    tags = header.tag_v2
    return tags.get(_PLANAR) == 2 and tags.get(_SAMPLES, 1) != 1 and max(tags.get(_BITS, (1,))) > 8


def _check_pieces(header: TiffFile, max_pixels: int) -> None:
    """How many strips or tiles there are, and how large: a tile may be of any size, however small the picture."""
    tags = header.tag_v2
    if max(len(tags.get(places, ())) for places in (_STRIP_OFFSETS, _TILE_OFFSETS)) > _MOST:
        raise FrameTooLargeError(
            f"frame: TIFF has more than {_MOST} strips or tiles, expected some thousands; nothing was decoded"
        )
    if _TILE_WIDTH not in tags and _TILE_HEIGHT not in tags:
        return
    try:
        width, height = (
            -(-tags[size] // tags[tile]) * tags[tile] for size, tile in ((_WIDTH, _TILE_WIDTH), (_HEIGHT, _TILE_HEIGHT))
        )
        is_too_large = width * height > 2 * max_pixels + _FILL
    except (KeyError, TypeError, ZeroDivisionError) as error:  # of values that are no whole numbers
        raise FrameDamagedError(f"frame: TIFF has a damaged header ({error})") from error
    if is_too_large:
        raise FrameTooLargeError(
            f"frame: TIFF has tiles for {width}x{height} = {width * height / 1e6:.0f} MP, expected little more than "
            f"its picture of {tags[_WIDTH]}x{tags[_HEIGHT]}; nothing was decoded"
        )


def _check_whole(header: TiffFile, payload: bytes) -> None:
    """Whether strips or tiles that deflate, LZW, PackBits or JPEG compress are whole; others need not be."""
    compression = header.info.get("compression")
    if compression == _JPEG:
        _check_scans(header, payload)
    elif compression in _DEFLATE:
        _check_deflate(header, payload)
    elif compression in _TOLD_BY_PILLOW and max(header.tag_v2.get(_BITS, (1,))) <= 8:  # others OpenCV refuses itself
        try:
            header.load()
        except Exception as error:  # what Pillow cannot read for another reason, OpenCV may
            if isinstance(error, OSError) and str(error).endswith(_BROKEN):
                raise FrameDamagedError(f"frame: TIFF has a damaged strip ({compression})") from error


def _check_deflate(header: TiffFile, payload: bytes) -> None:
    try:
        places = _places(header)
        for least, most in _sizes(header):
            place = next(places, None)
            if place is None:
                raise FrameDamagedError("frame: TIFF has fewer strips or tiles than its size asks for")
            _inflate(memoryview(payload)[slice(*place)], least, most)
    except zlib.error as error:
        raise FrameDamagedError(f"frame: TIFF has a damaged strip ({error})") from error
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:  # of values that are no whole numbers
        raise FrameDamagedError(f"frame: TIFF has a damaged header ({error})") from error


def _check_scans(header: TiffFile, payload: bytes) -> None:
    if payload.count(_SCAN) <= MOST_SCANS:
        return
    left = 2 * len(payload)  # to be looked at: strips do not lie over each other
    try:
        for begin, end in _places(header):
            end = len(payload) if end is None else end
            left -= max(0, end - begin)
            if left < 0 or payload.count(_SCAN, begin, end) > MOST_SCANS:
                raise FrameTooLargeError(
                    f"frame: TIFF has a JPEG of more than {MOST_SCANS} scans, or strips that lie over each other, "
                    "expected about ten scans; nothing was decoded"
                )
    except TypeError as error:  # of values that are no whole numbers
        raise FrameDamagedError(f"frame: TIFF has a damaged header ({error})") from error


def _sizes(header: TiffFile) -> Iterator[tuple[int, int]]:
    """Of each strip or tile, how many bytes it has at least and at most: the last strip of a plane may be filled up."""
    tags = header.tag_v2
    width, height, samples = tags[_WIDTH], tags[_HEIGHT], tags.get(_SAMPLES, 1)
    across, down = width, min(tags.get(_STRIP_ROWS, height), height)
    if _TILE_WIDTH in tags:
        across, down = tags[_TILE_WIDTH], tags[_TILE_HEIGHT]
    planes, together = (samples, 1) if tags.get(_PLANAR, 1) == 2 else (1, samples)
    row = -(-across * max(tags.get(_BITS, (1,))) * together // 8)
    number = -(-width // across) * -(-height // down)
    last = down if _TILE_WIDTH in tags else height - (number - 1) * down
    subsampled = tags.get(_PHOTOMETRIC) == _YCBCR
    for _ in range(planes):
        for rows in chain(repeat(down, number - 1), (last,)):
            yield 0 if subsampled else rows * row, down * row


def _places(header: TiffFile) -> Iterator[tuple[int, int | None]]:
    """Where each begins and ends; without a length it ends where its data do."""
    tags = header.tag_v2
    begins = tags.get(_STRIP_OFFSETS) or tags.get(_TILE_OFFSETS, ())
    lengths = tags.get(_STRIP_COUNTS) or tags.get(_TILE_COUNTS) or (0,) * len(begins)
    for begin, length in zip(begins, lengths, strict=False):
        yield begin, begin + length if length else None


def _inflate(data: memoryview, least: int, most: int) -> None:
    """Raises zlib.error unless it holds a whole zlib stream, checksum included, of so many bytes."""
    stream, got = zlib.decompressobj(), 0
    for at in range(0, len(data), _STEP):
        got += len(stream.decompress(data[at : at + _STEP]))
        if stream.eof or got > most:
            break
    if not (stream.eof and least <= got <= most):
        raise zlib.error(f"{got} bytes, expected {least} to {most} and an end")
