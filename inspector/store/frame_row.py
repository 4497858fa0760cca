"""One frame of the ledger, as those who review it read it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self

from sqlalchemy import select

from inspector.store.tables import frames, reviews

Disposition = Literal["defect", "false_alarm", "unsure"]

MAX_ID = 2**63
"""Ids are below: databases count no further, and their drivers refuse larger numbers."""


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A frame that has a verdict. document: the verdict as it was published, JSON. note: in the words of whoever said
    what holds. The rest: see store.tables.
    """

    id: int
    result_id: str
    station: str
    frame_id: str
    word: str
    sha256: str
    seq: int | None
    part_id: str | None
    lot: str | None
    recipe: str | None
    score: float | None
    p_value: float | None
    score_ratio: float | None
    bank_id: str | None
    bank_digest: str | None
    captured_at: datetime | None
    received_at: datetime
    decided_at: datetime
    document: str | None
    image: str | None
    queued: bool
    sampled: bool
    disposition: Disposition | None
    defect_type: str | None
    reviewer: str | None
    reviewed_at: datetime | None
    version: int
    image_freed_at: datetime | None = None
    note: str | None = None

    @property
    def decision(self) -> str:
        """What the line was told: ok, ng or uncertain."""
        return self.word

    @property
    def verdict(self) -> Mapping[str, Any]:
        """The document, parsed; empty where there is none."""
        parsed: Mapping[str, Any] = json.loads(self.document) if self.document else {}
        return parsed

    @property
    def thresholds(self) -> tuple[float | None, float | None]:
        """(ok, ng) at the time of the verdict."""
        said = self.verdict.get("thresholds") or {}
        return said.get("ok"), said.get("ng")

    @classmethod
    def of(cls, row: Iterable[Any]) -> Self:
        """From a row of COLUMNS."""
        return cls(*row)


_NOTE = (
    select(reviews.c.note)
    .where(reviews.c.frame == frames.c.id, reviews.c.at == frames.c.reviewed_at, reviews.c.action != "undo")
    .order_by(reviews.c.version.desc())
    .limit(1)
    .correlate(frames)
    .scalar_subquery()
    .label("note")
)
"""Of the disposition that holds, which an undo may have brought back: the audit alone has it."""

COLUMNS = tuple(_NOTE if field.name == "note" else frames.c[field.name] for field in fields(FrameRow))
"""What a query must select."""


def score_ratio(score: float, ng: float | None) -> float:
    """Score over the ng threshold; the score itself where the threshold is nought or unknown."""
    return score / ng if ng is not None and ng > 0 else score
