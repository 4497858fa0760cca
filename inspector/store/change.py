"""What is said of frames, written: into their own rows, and into the audit for ever."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from inspector.store.database import in_turn
from inspector.store.frame_row import COLUMNS, MAX_ID, FrameRow, score_ratio
from inspector.store.statement import FrameState, Said
from inspector.store.tables import frames, reviews

_WRITE_LOCK = 0x72657673
""" "revs": the advisory lock under which PostgreSQL writes reviews, so that their ids rise in the order of commits.
Otherwise `since`, which goes on from the last id it saw, would pass over a row with a lower id that is committed later.
"""

_FRAMES = (
    select(*COLUMNS)
    .where(frames.c.id.in_(bindparam("ids", expanding=True)), frames.c.outcome == "verdict")
    .with_for_update()
)
_UPDATE = update(frames).where(frames.c.id == bindparam("of_id"))


def locked(connection: Connection, ids: Iterable[int]) -> dict[int, FrameRow]:
    """Those frames that have a verdict, by id; nobody else may change them until the end of the transaction."""
    # Taken in the order of ids, so that two batches never wait for one another.
    asked = {"ids": sorted({frame for frame in ids if 0 < frame < MAX_ID})}
    return {row.id: row for row in map(FrameRow.of, connection.execute(_FRAMES.order_by(frames.c.id), asked))}


def write(connection: Connection, changes: Sequence[tuple[FrameRow, FrameState]], said: Said) -> list[FrameRow]:
    """Each frame, as it was locked, is said to be this from now on; returns them as they are now.

    Raises:
        SQLAlchemyError: nothing was written.
    """
    if not changes:
        return []
    in_turn(connection, _WRITE_LOCK)
    connection.execute(_UPDATE, [{"of_id": row.id, **_columns(row, state)} for row, state in changes])
    connection.execute(insert(reviews), [_audit(row, state, said) for row, state in changes])
    ids = [row.id for row, _ in changes]
    rows = {row.id: row for row in map(FrameRow.of, connection.execute(_FRAMES, {"ids": ids}))}
    return [rows[frame] for frame in ids]


def _columns(row: FrameRow, state: FrameState) -> dict[str, Any]:
    """What changes in the row of a frame that is now said to be this."""
    asked = row.word != "ok" or row.sampled
    ratio = row.score_ratio
    if ratio is None and row.score is not None:
        ratio = score_ratio(row.score, row.thresholds[1])
    return {
        "disposition": state.disposition,
        "defect_type": state.defect_type,
        "reviewer": state.reviewer,
        "reviewed_at": state.at,
        "version": row.version + 1,
        "queued": asked or state.disposition is not None,
        "score_ratio": ratio,
    }


def _audit(row: FrameRow, state: FrameState, said: Said) -> dict[str, Any]:
    """The row of the audit. row: the frame as it was before."""
    ok, ng = row.thresholds
    return {
        "frame": row.id,
        "station": row.station,
        "frame_id": row.frame_id,
        "at": said.at,
        "reviewer": said.reviewer,
        "action": said.action,
        "from_disposition": row.disposition,
        "from_type": row.defect_type,
        "to_disposition": state.disposition,
        "to_type": state.defect_type,
        "version": row.version + 1,
        "decision": row.word,
        "score": row.score,
        "threshold_ok": ok,
        "threshold_ng": ng,
        "bank_id": row.bank_id,
        "bank_digest": row.bank_digest,
        "note": said.note,
        "batch": said.batch,
    }
