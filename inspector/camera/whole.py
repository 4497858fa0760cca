"""Whether a picture is all there, by what its format says about its own end."""

import io
import warnings
from enum import Enum

from PIL import ImageFile

from inspector.header import open_header, suffix_of

_JPEG_END = b"\xff\xd9"
_PNG_END = b"IEND\xaeB\x60\x82"

_TIFF_PIECES = ((273, 279), (324, 325))
"""Tags of where the pixels lie and how many bytes they are: of strips, of tiles."""


class End(Enum):
    """How a picture ends. SEEN: with the mark of its format. COUNTED: it has as many bytes as its header says; a file
    may be given its size before its content. MISSING: bytes are missing, or the format does not tell; that need not
    mean that it is damaged.
    """

    SEEN = "seen"
    COUNTED = "counted"
    MISSING = "missing"


def end_of(payload: bytes) -> End:
    """How a JPEG, PNG, TIFF or BMP ends; what follows its end does not count."""
    kind = suffix_of(payload)
    if kind == "png":
        return End.SEEN if _PNG_END in payload else End.MISSING
    if kind is None:
        return End.MISSING
    stream = io.BytesIO(payload)
    try:
        with warnings.catch_warnings(action="ignore"), open_header(stream) as header:
            if kind != "jpg":
                end = _rows_end(header) if kind == "bmp" else _pieces_end(header)
                return End.COUNTED if end is not None and end <= len(payload) else End.MISSING
            # Behind the headers: the small picture in them has an end of its own.
            return End.SEEN if payload.rfind(_JPEG_END, stream.tell()) >= 0 else End.MISSING
    except Exception:  # noqa: BLE001 (Pillow's readers raise many kinds on what is missing; each means the same here)
        return End.MISSING


def _rows_end(header: ImageFile.ImageFile) -> int | None:
    """Where the last row of a BMP ends, in bytes; None where rows are packed. Many cameras say a wrong size."""
    rows = header.tile[0]
    if rows.codec_name != "raw" or not isinstance(rows.args, tuple):
        return None
    _, bytes_a_row, _ = rows.args
    return rows.offset + header.height * int(bytes_a_row)


def _pieces_end(header: ImageFile.ImageFile) -> int | None:
    """Where the last strip or tile of a TIFF's first page ends, in bytes; None where it does not say."""
    tags = getattr(header, "tag_v2", {})
    ends = [
        int(place + size)
        for places, sizes in _TIFF_PIECES
        for place, size in zip(tags.get(places, ()), tags.get(sizes, ()), strict=True)
    ]
    return max(ends, default=None)
