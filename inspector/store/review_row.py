"""One row of the audit: what somebody said about a frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from inspector.store.frame_row import Disposition

Action = Literal["dispose", "undo", "escape"]


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """What was said about a frame; the columns of store.tables.reviews."""

    id: int
    frame: int
    station: str
    frame_id: str
    at: datetime
    reviewer: str
    action: Action
    from_disposition: Disposition | None
    from_type: str | None
    to_disposition: Disposition | None
    to_type: str | None
    version: int
    decision: str
    score: float | None
    threshold_ok: float | None
    threshold_ng: float | None
    bank_id: str | None
    bank_digest: str | None
    note: str | None
    batch: str | None


def standing(history: Iterable[ReviewRow]) -> list[ReviewRow]:
    """Of what was said about one frame, oldest first, what has not been taken back; the last of it holds."""
    stands: list[ReviewRow] = []
    for row in history:
        if row.action == "undo":
            stands.pop()
        else:
            stands.append(row)
    return stands
