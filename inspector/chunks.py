"""What of a PNG its pixels depend on: all else, such as texts and colour profiles, is passed over.

A text or a profile may be packed a thousand times smaller than it is, stand there thousands of times, and would be
unpacked each time for nothing.
"""

import io
import struct
from typing import IO

from PIL import PngImagePlugin

from inspector.errors import FrameDamagedError, FrameTooLargeError

_BEGIN = 8
"""Length of what every PNG begins with. Then each chunk has four bytes of length, four of name, and four behind it."""

_MOST = 100_000
"""Chunks. A picture of 64 MP that an encoder cuts into chunks of 8 kB has some twenty thousand."""

_MOST_BEFORE = 1000
"""Chunks that are needed, before the pixels: of each kind there is one."""

_NEEDED = (b"tRNS", b"acTL", b"fcTL", b"fdAT")
"""Beside those that the format itself calls critical, and how the picture was held: transparency, and moving pictures,
of which the first is decoded.
"""
_HELD, _PIXELS, _END = b"eXIf", b"IDAT", b"IEND"


class PngFile(PngImagePlugin.PngImageFile):
    """A PNG of which only the header can be read."""

    def _open(self) -> None:
        if self.fp is not None:
            self.fp = io.BytesIO(_header(self.fp))
        super()._open()


def bare(payload: bytes) -> bytes:
    """The same PNG without what its pixels do not depend on.

    Raises:
        FrameDamagedError: it ends within a chunk, or before the last one. OpenCV would find that out too, but takes as
            much memory first as a chunk says that it is long, up to 4 GB.
        FrameTooLargeError: it has more than _MOST chunks.
    """
    whole, pieces, kept, at, held = memoryview(payload), [], 0, _BEGIN, False
    for _ in range(_MOST):
        length, name = struct.unpack_from(">I4s", payload, at) if at + 12 <= len(payload) else (0, b"")
        end = at + 12 + length
        if end > len(payload):
            raise FrameDamagedError(
                f"frame: PNG of {len(payload)} bytes ends within a chunk, which is cut off or has a wrong length; "
                "expected an undamaged image"
            )
        if name == _END:
            break
        if not _is_needed(name, held):
            if kept < at:
                pieces.append(whole[kept:at])
            kept = end
        held = held or name == _HELD
        at = end
    else:
        raise FrameTooLargeError(
            f"frame: PNG has more than {_MOST} chunks, expected some thousands; nothing was decoded"
        )
    return b"".join((*pieces, whole[kept:])) if kept else payload


def _header(stream: IO[bytes]) -> bytes:
    """What is needed before the pixels, with how the picture was held, which may follow them, and their beginning."""
    before, held, pixels = [stream.read(_BEGIN)], b"", b""
    for _ in range(_MOST):
        head = stream.read(8)
        if len(head) < 8 or len(before) > _MOST_BEFORE or (pixels and held):
            break
        length, name = struct.unpack(">I4s", head)
        pixels = pixels or (head if name == _PIXELS else b"")
        if name == _HELD and not held:
            held = head + stream.read(length + 4)
        elif not pixels and _is_needed(name, held=True):
            before.append(head + stream.read(length + 4))
        else:
            stream.seek(length + 4, io.SEEK_CUR)
    return b"".join((*before, held, pixels))


def _is_needed(name: bytes, held: bool) -> bool:
    """held: it was told already how the picture was held; what is told again does not count."""
    is_critical = not name[0] & 0x20
    return is_critical or name in _NEEDED or (name == _HELD and not held)
