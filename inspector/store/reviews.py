"""Dispositions: what operators say about frames, each in the audit for ever, none over another's without being seen."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import Connection, Engine, bindparam, func, select

from inspector.legible import legible
from inspector.store import change
from inspector.store.database import store_errors, writing
from inspector.store.frame_row import Disposition, FrameRow
from inspector.store.review_row import ReviewRow, standing
from inspector.store.statement import FrameState, ReviewError, Said, check_reviewer, checked
from inspector.store.tables import reviews

_MOST_TOGETHER = 100
"""Dispositions in one transaction: the line's own writer waits meanwhile."""


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
        note = checked(to, defect_type, reviewer, note)
        said = Said("dispose", reviewer, datetime.now(UTC), note)
        return _only(self._dispose([(frame, version)], to, defect_type, said), frame)

    def escape(
        self, frame: int, *, reviewer: str, version: int, defect_type: str | None = None, note: str | None = None
    ) -> FrameRow:
        """A frame that passed as ok was a defect, as somebody found out later.

        Raises as `dispose`, and ReviewError for a frame that did not pass.
        """
        note = checked("defect", defect_type, reviewer, note)
        said = Said("escape", reviewer, datetime.now(UTC), note)
        return _only(self._dispose([(frame, version)], "defect", defect_type, said), frame)

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
        note = checked(to, defect_type, reviewer, note)
        result = BatchResult(batch or str(uuid.uuid4()))
        for part in _parts(selection):
            said = Said("dispose", reviewer, datetime.now(UTC), note, result.batch)
            _add(result, self._dispose(part, to, defect_type, said))
        return result

    def undo(self, frame: int, *, reviewer: str, version: int) -> FrameRow:
        """Takes back the last disposition, which was by the same reviewer: what was said before holds again.

        Raises:
            StaleError: the frame has another version, or what holds was said by somebody else.
            UnknownFrameError: no frame with a verdict has this id.
            ReviewError: there is nothing to take back.
            StoreError: nothing was written.
        """
        check_reviewer(reviewer)
        return _only(self._undo([(frame, version)], Said("undo", reviewer, datetime.now(UTC))), frame)

    def undo_batch(self, batch: str, *, reviewer: str) -> BatchResult:
        """Takes back a whole batch, but for the frames on which somebody had a further word.

        Raises:
            StoreError: the rest was not written; the same call does it.
        """
        check_reviewer(reviewer)
        result = BatchResult(str(uuid.uuid4()))
        if not legible(batch):
            return result
        with store_errors("reviews"), self._engine.connect() as connection:
            selection = [(row.frame, row.version) for row in connection.execute(_IN_BATCH, {"of_batch": batch})]
        for part in _parts(selection):
            _add(result, self._undo(part, Said("undo", reviewer, datetime.now(UTC), batch=result.batch)))
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

    def _dispose(
        self, selection: Sequence[tuple[int, int]], to: Disposition, defect_type: str | None, said: Said
    ) -> BatchResult:
        state = FrameState(to, defect_type, said.reviewer, said.at)
        result = BatchResult(said.batch or "")
        changes: list[tuple[FrameRow, FrameState]] = []
        with store_errors("reviews"), writing(self._engine) as connection:
            for row, version in _locked(connection, selection, result):
                if row.version != version:
                    history = _history(connection, row.id)
                    same = (row.disposition, row.defect_type) == (to, defect_type)
                    if same and _repeats(history, version, said):
                        result.done.append(row)
                    else:
                        result.stale.append(_stale(row, history))
                elif said.action == "escape" and row.word != "ok":
                    raise ReviewError(f"frame {row.id}: was {row.word}, expected one that passed as ok")
                else:
                    changes.append((row, state))
            result.done.extend(change.write(connection, changes, said))
        return result

    def _undo(self, selection: Sequence[tuple[int, int]], said: Said) -> BatchResult:
        result = BatchResult(said.batch or "")
        changes: list[tuple[FrameRow, FrameState]] = []
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
                    changes.append((row, FrameState.of(stands[-2]) if len(stands) > 1 else FrameState()))
            result.done.extend(change.write(connection, changes, said))
        return result


def _locked(
    connection: Connection, selection: Sequence[tuple[int, int]], result: BatchResult
) -> list[tuple[FrameRow, int]]:
    """The frames as they are now, locked, each with the version that was on the screen; `result` tells the unknown."""
    rows = change.locked(connection, (frame for frame, _ in selection))
    result.unknown.extend(sorted({frame for frame, _ in selection} - rows.keys()))
    return [(rows[frame], version) for frame, version in selection if frame in rows]


def _history(connection: Connection, frame: int) -> list[ReviewRow]:
    return [ReviewRow(*row) for row in connection.execute(_HISTORY, {"of_frame": frame})]


def _repeats(history: Sequence[ReviewRow], version: int, said: Said) -> bool:
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
