"""The frames of a filter as a file: CSV, COCO, or a ZIP with the pictures. The address is that of the queue."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from inspector.export import annotations, bundle, table
from inspector.export.coco import size_of
from inspector.web.access import Operator
from inspector.web.desk import Desk, DeskDep
from inspector.web.download import CSV, download
from inspector.web.filters import QueueQuery

_KINDS = {
    "csv": ("frames.csv", CSV),
    "coco": ("annotations.json", "application/json"),
    "zip": ("frames.zip", "application/zip"),
}

router = APIRouter(prefix="/api/v1", tags=["review"])


@router.get(
    "/export/{kind}",
    summary="Frames of a filter as CSV, COCO or ZIP",
    response_class=StreamingResponse,
    responses={200: {"content": {media_type: {} for _, media_type in _KINDS.values()}}},
)
def export(
    desk: DeskDep, _user: Operator, kind: Literal["csv", "coco", "zip"], query: Annotated[QueueQuery, Query()]
) -> StreamingResponse:
    """The same filters as `/frames`; without `state`, the frames that wait."""
    name, media_type = _KINDS[kind]
    return download(_parts(desk, kind, query), name, media_type)


def _parts(desk: Desk, kind: str, query: QueueQuery) -> Iterator[str] | Iterator[bytes]:
    """The file, part by part. The first frames are read at once: a database that is away is told, not a broken file."""
    walk = desk.queue.walk(query.filter(desk.settings.review))
    rows = chain(list(islice(walk, 1)), walk)
    size, types = size_of(desk.archive.path), desk.settings.review.defect_types
    if kind == "csv":
        return table(rows)
    if kind == "coco":
        return annotations(rows, size, types)
    return bundle(rows, desk.archive.read, size, types, datetime.now(UTC))
