"""Files that are made while they are sent."""

from collections.abc import Iterator
from datetime import UTC, datetime

from fastapi.responses import StreamingResponse

CSV = "text/csv; charset=utf-8"

PIECE = 65_536
"""So many bytes are sent together at least: each piece costs a hop between two threads, more than a line does."""


def download(parts: Iterator[str] | Iterator[bytes], name: str, media_type: str) -> StreamingResponse:
    """A file for the browser to keep, under `name` behind the time in UTC."""
    headers = {"content-disposition": f'attachment; filename="{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"'}
    return StreamingResponse(_pieces(parts), media_type=media_type, headers=headers)


def _pieces(parts: Iterator[str] | Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, put together to pieces of PIECE or more; the last may have fewer."""
    held = bytearray()
    for part in parts:
        held += part.encode() if isinstance(part, str) else part
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
