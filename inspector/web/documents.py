"""What the API says, as JSON documents."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from inspector.contract import timestamp
from inspector.store import FrameRow, ReviewRow, StaleError


class Fault(BaseModel):
    """What was wrong with a request, or with the server."""

    error: str


class Quicker(BaseModel):
    """What somebody else decided meanwhile; nulls where nobody did, or took it back."""

    frame: int
    reviewer: str | None
    at: str | None
    disposition: str | None
    defect_type: str | None
    version: int


class Conflict(Fault):
    """Nothing was recorded, as the version that was seen is not the newest."""

    conflict: Quicker


def frame(row: FrameRow) -> dict[str, Any]:
    """A frame: its verdict as published, and what was decided about it."""
    return {
        "id": row.id,
        "station": row.station,
        "frame_id": row.frame_id,
        "part_id": row.part_id,
        "lot": row.lot,
        "decision": row.decision,
        "score": row.score,
        "p_value": row.p_value,
        "received_at": timestamp(row.received_at),
        "sampled": row.sampled,
        "picture": row.image is not None,
        "disposition": row.disposition,
        "defect_type": row.defect_type,
        "reviewer": row.reviewer,
        "reviewed_at": timestamp(row.reviewed_at),
        "note": row.note,
        "version": row.version,
        "verdict": row.verdict or None,
    }


def review(row: ReviewRow) -> dict[str, Any]:
    """One row of the audit."""
    return {
        "at": timestamp(row.at),
        "reviewer": row.reviewer,
        "action": row.action,
        "from": {"disposition": row.from_disposition, "defect_type": row.from_type},
        "to": {"disposition": row.to_disposition, "defect_type": row.to_type},
        "version": row.version,
        "note": row.note,
        "batch": row.batch,
    }


def conflict(error: StaleError) -> Mapping[str, Any]:
    """What somebody else decided meanwhile."""
    return {
        "frame": error.frame,
        "reviewer": error.reviewer,
        "at": timestamp(error.at),
        "disposition": error.disposition,
        "defect_type": error.defect_type,
        "version": error.version,
    }
