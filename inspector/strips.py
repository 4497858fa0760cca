"""What compresses a TIFF's pixels: whether it is whole, strip by strip.

OpenCV decodes a damaged strip of an 8-bit TIFF as far as it can, and says nothing of the rest. Deflate has a checksum
for each strip. Of LZW and PackBits Pillow's decoder says where they cannot be read; many a wrong byte they cannot tell.
"""

import zlib
from collections.abc import Iterator
from itertools import chain, repeat

from PIL import TiffImagePlugin

from inspector.errors import FrameDamagedError

_DEFLATE = ("tiff_adobe_deflate", "tiff_deflate")
_TOLD_BY_PILLOW = ("tiff_lzw", "packbits")
_BROKEN = "-2"
"""How Pillow's errors end where a decoder met what it cannot read; others do not mean damage."""

_STEP = 16_384
"""Compressed bytes, which become a thousand times as many at most."""

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 258, 262, 277, 284
_STRIP_OFFSETS, _STRIP_ROWS, _STRIP_COUNTS = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_YCBCR = 6


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF whose pixels are only tried: to turn them upright would take time and memory."""

    def load_end(self) -> None:
        """Leaves them as they lie in the file."""


def is_deep_in_planes(header: TiffFile) -> bool:
    """Whether colours of 16 bits lie each in strips of its own: OpenCV gives arbitrary values for two of them."""
    tags = header.tag_v2
    return tags.get(_PLANAR) == 2 and tags.get(_SAMPLES, 1) != 1 and max(tags.get(_BITS, (1,))) > 8


def check(header: TiffFile, payload: bytes) -> None:
    """Passes a TIFF whose strips or tiles are whole, or that is not compressed by deflate, LZW or PackBits.

    Raises:
        FrameDamagedError: one is not, or is missing.
    """
    compression = header.info.get("compression")
    if compression in _DEFLATE:
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
