"""Files that are made while they are sent."""

from collections.abc import Iterator
from datetime import UTC, datetime

from fastapi.responses import StreamingResponse

CSV = "text/csv; charset=utf-8"


def download(parts: Iterator[str] | Iterator[bytes], name: str, media_type: str) -> StreamingResponse:
    """A file for the browser to keep, under `name` behind the time in UTC."""
    headers = {"content-disposition": f'attachment; filename="{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"'}
    return StreamingResponse(parts, media_type=media_type, headers=headers)
