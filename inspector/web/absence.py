"""Why there is no picture of a frame, in words, and as a picture where a page expects one."""

import textwrap
import unicodedata
from datetime import tzinfo
from html import escape

from inspector.store import FrameRow
from inspector.web.message import Message
from inspector.web.picture import THUMBNAIL_WH

GONE = Message("This frame has had its time and was removed.")
LOST = Message("Lost: the archive no longer has the file.")
DAMAGED = Message("Damaged: the archived file is no sound picture.")

_COLUMNS = 26
_LINE = 36


def not_archived(row: FrameRow, zone: tzinfo) -> Message:
    """Why the ledger names no picture of this frame. zone: the plant's, for the date."""
    if row.image_freed_at is not None:
        day = row.image_freed_at.astimezone(zone).date()
        return Message("Kept until %(day)s, then removed to make room (retention.max_gb, or the disk).", day=day)
    if row.word == "ok" and not row.sampled:
        return Message("Not archived: of the parts that pass only a random sample is.")
    return Message("Not archived: the archive was full or could not be written.")


def placeholder(why: str) -> bytes:
    """The words as an SVG of a thumbnail's size."""
    width, height = THUMBNAIL_WH
    wide = any(unicodedata.east_asian_width(letter) == "W" for letter in why)
    lines = textwrap.wrap(why, _COLUMNS // 2 if wide else _COLUMNS)
    top = height / 2 - (len(lines) - 1) * _LINE / 2
    said = "".join(
        f'<tspan x="{width / 2:g}" y="{top + n * _LINE:g}">{escape(line)}</tspan>' for n, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<rect width="{width}" height="{height}" fill="#2b3036"/>'
        '<text fill="#d5dae0" font-family="system-ui, sans-serif" font-size="26" text-anchor="middle" '
        f'dominant-baseline="middle">{said}</text></svg>'
    ).encode()
