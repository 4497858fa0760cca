"""Dispositions: what operators say about frames, each in the audit for ever, none over another's without being seen."""

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, get_args

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from inspector.errors import InspectorError
from inspector.legible import legible
from inspector.store.database import in_turn, store_errors, writing
from inspector.store.frame_row import COLUMNS, MAX_ID, Disposition, FrameRow, score_ratio
from inspector.store.review_row import Action, ReviewRow, standing
from inspector.store.tables import frames, reviews

_MOST_TOGETHER = 100
"""Dispositions in one transaction: the line's own writer waits meanwhile."""

_WRITE_LOCK = 0x72657673
""" "revs": the advisory lock under which PostgreSQL writes reviews, so that their ids rise in the order of commits.
Otherwise `since`, which goes on from the last id it saw, would pass over a row with a lower id that is committed later.
"""

MAX_NOTE = 2000
"""Characters of a note, at most."""

_WORD = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,64}")


class ReviewError(InspectorError):
    """A disposition that cannot be: the words are wrong, or the frame is not one of those."""


class UnknownFrameError(ReviewError):
    """No frame with a verdict has this id."""


class StaleError(ReviewError):
    """Somebody else decided in the meantime: who, when and what."""

    def __init__(self, row: FrameRow, reviewer: str | None, at: datetime | None) -> None:
        self.frame = row.id
        self.reviewer = reviewer
        self.at = at
        self.disposition = row.disposition
        self.defect_type = row.defect_type
        self.version = row.version
        what = "undone" if row.disposition is None else row.disposition
        who = "nobody has decided it" if reviewer is None else f"{reviewer} was here meanwhile ({what})"
        super().__init__(f"frame {row.id}: {who}, its version is {row.version}")


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch. stale: left as others decided. unknown: ids without a verdict."""

    batch: str
    done: list[FrameRow] = field(default_factory=list)
    stale: list[StaleError] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _State:
    """What a frame is said to be, by whom and when; nothing where it waits."""

    disposition: Disposition | None = None
    defect_type: str | None = None
    reviewer: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What is done and by whom, as the audit has it."""

    action: Action
    reviewer: str
    at: datetime
    note: str | None = None
    batch: str | None = None


_FRAMES = (
    select(*COLUMNS)
    .where(frames.c.id.in_(bindparam("ids", expanding=True)), frames.c.outcome == "verdict")
    .with_for_update()
)
_UPDATE = update(frames).where(frames.c.id == bindparam("of_id"))
_HISTORY = select(reviews).where(reviews.c.frame == bindparam("of_frame")).order_by(reviews.c.version)
_IN_BATCH = select(reviews.c.frame, reviews.c.version).where(reviews.c.batch == bindparam("of_batch"))


class Reviews:
    """Reads and writes dispositions. Safe from any thread and any process.

    Whoever decides names the version of the frame that was on the screen; where it is another now, nothing is
    written and StaleError tells why. To say the same again, as after a lost answer, changes nothing and succeeds.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def dispose(
        self,
        frame: int,
        *,
        to: Disposition,
        reviewer: str,
        version: int,
        defect_type: str | None = None,
        note: str | None = None,
    ) -> FrameRow:
        """Decides one frame; returns it as it is now. defect_type: with a defect, which. note: in one's own words, at
        most MAX_NOTE characters; blanks around it are dropped.

        Raises:
            StaleError: the frame has another version.
            UnknownFrameError: no frame with a verdict has this id.
            ReviewError: the words are not allowed.
            StoreError: nothing was written.
        """
        note = _check(to, defect_type, reviewer, note)
        said = _Said("dispose", reviewer, datetime.now(UTC), note)
        return _only(self._dispose([(frame, version)], _State(to, defect_type, reviewer, said.at), said), frame)

    def escape(
        self, frame: int, *, reviewer: str, version: int, defect_type: str | None = None, note: str | None = None
    ) -> FrameRow:
        """A frame that passed as ok was a defect, as somebody found out later.

        Raises as `dispose`, and ReviewError for a frame that did not pass.
        """
        note = _check("defect", defect_type, reviewer, note)
        said = _Said("escape", reviewer, datetime.now(UTC), note)
        return _only(self._dispose([(frame, version)], _State("defect", defect_type, reviewer, said.at), said), frame)

    def dispose_many(
        self,
        selection: Iterable[tuple[int, int]],
        *,
        to: Disposition,
        reviewer: str,
        defect_type: str | None = None,
        note: str | None = None,
        batch: str | None = None,
    ) -> BatchResult:
        """Decides frames, each given with its version; those that others decided meanwhile are left and told.

        batch: the name that `undo_batch` takes them back by; a new one if not given. Written in parts: after a failure,
        what was written stays, and the same call with the same name does the rest.

        Raises:
            ReviewError: the words are not allowed; nothing was written.
            StoreError: the rest was not written.
        """
        note = _check(to, defect_type, reviewer, note)
        result = BatchResult(batch or str(uuid.uuid4()))
        for part in _parts(selection):
            said = _Said("dispose", reviewer, datetime.now(UTC), note, result.batch)
            _add(result, self._dispose(part, _State(to, defect_type, reviewer, said.at), said))
        return result

    def undo(self, frame: int, *, reviewer: str, version: int) -> FrameRow:
        """Takes back the last disposition, which was by the same reviewer: what was said before holds again.

        Raises:
            StaleError: the frame has another version, or what holds was said by somebody else.
            UnknownFrameError: no frame with a verdict has this id.
            ReviewError: there is nothing to take back.
            StoreError: nothing was written.
        """
        _check_reviewer(reviewer)
        return _only(self._undo([(frame, version)], _Said("undo", reviewer, datetime.now(UTC))), frame)

    def undo_batch(self, batch: str, *, reviewer: str) -> BatchResult:
        """Takes back a whole batch, but for the frames on which somebody had a further word.

        Raises:
            StoreError: the rest was not written; the same call does it.
        """
        _check_reviewer(reviewer)
        result = BatchResult(str(uuid.uuid4()))
        if not legible(batch):
            return result
        with store_errors("reviews"), self._engine.connect() as connection:
            selection = [(row.frame, row.version) for row in connection.execute(_IN_BATCH, {"of_batch": batch})]
        for part in _parts(selection):
            _add(result, self._undo(part, _Said("undo", reviewer, datetime.now(UTC), batch=result.batch)))
        return result

    def history(self, frame: int) -> list[ReviewRow]:
        """All that was said about a frame, oldest first.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("reviews"), self._engine.connect() as connection:
            return _history(connection, frame)

    def since(self, last: int | None) -> tuple[int, dict[tuple[str, str], int]]:
        """How often what was said, by (station, outcome), after the id that an earlier call gave; with the id from
        which to go on. None begins now. outcome: a disposition, `escape` or `undone`.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("reviews"), self._engine.connect() as connection:
            newest = connection.execute(select(func.max(reviews.c.id))).scalar() or 0
            if last is None or newest == last:
                return newest, {}
            between = (reviews.c.id > last, reviews.c.id <= newest)
            query = (
                select(reviews.c.station, reviews.c.action, reviews.c.to_disposition, func.count())
                .where(*between)
                .group_by(reviews.c.station, reviews.c.action, reviews.c.to_disposition)
            )
            counted: dict[tuple[str, str], int] = {}
            for station, action, disposition, count in connection.execute(query):
                outcome = {"undo": "undone", "escape": "escape"}.get(action, disposition)
                counted[station, outcome] = counted.get((station, outcome), 0) + count
            return newest, counted

    def _dispose(self, selection: Sequence[tuple[int, int]], state: _State, said: _Said) -> BatchResult:
        result = BatchResult(said.batch or "")
        changes: list[tuple[FrameRow, _State]] = []
        with store_errors("reviews"), writing(self._engine) as connection:
            for row, version in _locked(connection, selection, result):
                if row.version != version:
                    history = _history(connection, row.id)
                    same = (row.disposition, row.defect_type) == (state.disposition, state.defect_type)
                    if same and _repeats(history, version, said):
                        result.done.append(row)
                    else:
                        result.stale.append(_stale(row, history))
                elif said.action == "escape" and row.word != "ok":
                    raise ReviewError(f"frame {row.id}: was {row.word}, expected one that passed as ok")
                else:
                    changes.append((row, state))
            result.done.extend(_write(connection, changes, said))
        return result

    def _undo(self, selection: Sequence[tuple[int, int]], said: _Said) -> BatchResult:
        result = BatchResult(said.batch or "")
        changes: list[tuple[FrameRow, _State]] = []
        with store_errors("reviews"), writing(self._engine) as connection:
            for row, version in _locked(connection, selection, result):
                history = _history(connection, row.id)
                stands = standing(history)
                if row.version != version and _repeats(history, version, said):
                    result.done.append(row)
                elif row.version != version or (stands and stands[-1].reviewer != said.reviewer):
                    result.stale.append(_stale(row, history))
                elif not stands:
                    raise ReviewError(f"frame {row.id}: has no disposition to take back")
                else:
                    changes.append((row, _state(stands[-2]) if len(stands) > 1 else _State()))
            result.done.extend(_write(connection, changes, said))
        return result


def _locked(
    connection: Connection, selection: Sequence[tuple[int, int]], result: BatchResult
) -> list[tuple[FrameRow, int]]:
    """The frames as they are, nobody else may change them until the end of the transaction."""
    # Taken in the order of ids, so that two batches never wait for one another.
    ids = sorted({frame for frame, _ in selection})
    asked = {"ids": [frame for frame in ids if 0 < frame < MAX_ID]}
    rows = {row.id: row for row in map(FrameRow.of, connection.execute(_FRAMES.order_by(frames.c.id), asked))}
    result.unknown.extend(frame for frame in ids if frame not in rows)
    return [(rows[frame], version) for frame, version in selection if frame in rows]


def _write(connection: Connection, changes: Sequence[tuple[FrameRow, _State]], said: _Said) -> list[FrameRow]:
    if not changes:
        return []
    in_turn(connection, _WRITE_LOCK)
    connection.execute(_UPDATE, [{"of_id": row.id, **_columns(row, state)} for row, state in changes])
    connection.execute(insert(reviews), [_audit(row, state, said) for row, state in changes])
    ids = [row.id for row, _ in changes]
    rows = {row.id: row for row in map(FrameRow.of, connection.execute(_FRAMES, {"ids": ids}))}
    return [rows[frame] for frame in ids]


def _columns(row: FrameRow, state: _State) -> dict[str, Any]:
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


def _audit(row: FrameRow, state: _State, said: _Said) -> dict[str, Any]:
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


def _history(connection: Connection, frame: int) -> list[ReviewRow]:
    return [ReviewRow(*row) for row in connection.execute(_HISTORY, {"of_frame": frame})]


def _state(said: ReviewRow) -> _State:
    return _State(said.to_disposition, said.to_type, said.reviewer, said.at)


def _repeats(history: Sequence[ReviewRow], version: int, said: _Said) -> bool:
    """Whether the same reviewer did the same to that version, and nobody anything since."""
    last = history[-1] if history else None
    return last is not None and (last.version, last.action, last.reviewer, last.note) == (
        version + 1,
        said.action,
        said.reviewer,
        said.note,
    )


def _stale(row: FrameRow, history: Sequence[ReviewRow]) -> StaleError:
    return StaleError(row, history[-1].reviewer, history[-1].at) if history else StaleError(row, None, None)


def _parts(selection: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    remaining = iter(dict(selection).items())
    while part := list(islice(remaining, _MOST_TOGETHER)):
        yield part


def _add(result: BatchResult, part: BatchResult) -> None:
    result.done.extend(part.done)
    result.stale.extend(part.stale)
    result.unknown.extend(part.unknown)


def _only(result: BatchResult, frame: int) -> FrameRow:
    if result.stale:
        raise result.stale[0]
    if not result.done:
        raise UnknownFrameError(f"frame {frame}: is not there or has no verdict, expected the id of an inspected frame")
    return result.done[0]


def _check(to: str, defect_type: str | None, reviewer: str, note: str | None) -> str | None:
    """Returns the note as it is kept: None where it says nothing."""
    _check_reviewer(reviewer)
    if to not in get_args(Disposition):
        raise ReviewError(f"disposition: got {to!r}, expected one of {', '.join(get_args(Disposition))}")
    if defect_type is not None and to != "defect":
        raise ReviewError(f"defect_type: got {defect_type!r} with {to}, expected it with a defect alone")
    if defect_type is not None and not _WORD.fullmatch(defect_type):
        raise ReviewError(
            f"defect_type: got {defect_type[:80]!r}, expected 1 to 64 characters, none a control character"
        )
    note = (note or "").strip()
    if len(note) > MAX_NOTE:
        raise ReviewError(f"note: got {len(note)} characters, expected at most {MAX_NOTE}")
    if not legible(note):
        raise ReviewError("note: got a character that no database holds (NUL or half of one), expected legible text")
    return note or None


def _check_reviewer(reviewer: str) -> None:
    if not _WORD.fullmatch(reviewer):
        raise ReviewError(f"reviewer: got {reviewer[:80]!r}, expected the name of an account")
