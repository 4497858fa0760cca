"""The ledger: one row for each outcome, written together with what is to be published about it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, select, update

from inspector.store.database import ConflictError, store_errors, writing
from inspector.store.outbox import Outbox, OutboxMessage
from inspector.store.tables import attempts, frames, outbox

OutcomeKind = Literal["verdict", "check", "error", "drop"]


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome of one delivery.

    outcome: a check is the verdict of a check part. word: the decision of a verdict or check, or the reason of an error
    or a drop. document: what is published, JSON.
    topic: where it is published; None for what is only counted. variant: tells errors of one frame id apart; None: by
    sha256.
    image: the suffix of the archived picture. queued: an operator is asked for it. sampled: it is ok, and drawn at
    random. score_ratio: score over the ng threshold, for what is queued.
    """

    result_id: str
    station: str
    frame_id: str
    outcome: OutcomeKind
    word: str
    sha256: str
    received_at: datetime
    decided_at: datetime
    captured_at: datetime | None = None
    seq: int | None = None
    part_id: str | None = None
    lot: str | None = None
    recipe: str | None = None
    score: float | None = None
    p_value: float | None = None
    bank_id: str | None = None
    bank_digest: str | None = None
    quarantine_id: str | None = None
    document: bytes | None = None
    topic: str | None = None
    image: str | None = None
    queued: bool = False
    sampled: bool = False
    score_ratio: float | None = None
    variant: str | None = None

    @property
    def key(self) -> "Key":
        """What may be in the ledger once."""
        return self.station, self.frame_id, (self.variant or self.sha256) if self.outcome == "error" else ""


Key = tuple[str, str, str]
"""Station, frame id, variant."""

Known = Mapping[Key, str]
"""Of frames that have an outcome, the sha256 by key."""

_OF_RESULT = "result "
"""Comes behind every digest in the order of each collation, so that an index passes over what begins with it."""

_COLUMNS = tuple(column.name for column in frames.columns if column.name in Entry.__dataclass_fields__)

_INSERT_FRAMES = insert(frames)
_INSERT_OUTBOX = insert(outbox)
_OF_KEY = (
    frames.c.station == bindparam("of_station"),
    frames.c.frame_id == bindparam("of_frame_id"),
    frames.c.variant == bindparam("of_variant"),
)
_COUNT_DUPLICATE = update(frames).where(*_OF_KEY).values(duplicates=frames.c.duplicates + 1)
_DUPLICATES = select(frames.c.duplicates).where(*_OF_KEY)
_RESULT = select(frames.c.result_id).where(*_OF_KEY)
_KNOWN = select(frames.c.station, frames.c.frame_id, frames.c.variant, frames.c.sha256).where(
    frames.c.station.in_(bindparam("stations", expanding=True)),
    frames.c.frame_id.in_(bindparam("frame_ids", expanding=True)),
    frames.c.variant < _OF_RESULT,
)
_NEWEST_NUMBERS = (
    select(frames.c.station, frames.c.seq, frames.c.outcome, frames.c.word).order_by(frames.c.id.desc()).limit(10_000)
)
_LAST_MESSAGE = select(func.coalesce(func.max(outbox.c.id), 0))
_CONFIRM = delete(outbox).where(outbox.c.id.in_(bindparam("ids", expanding=True)))
OF_ATTEMPT = (
    attempts.c.station == bindparam("of_station"),
    attempts.c.frame_id == bindparam("of_frame_id"),
    attempts.c.sha256 == bindparam("of_sha256"),
)
_COUNT_ATTEMPT = update(attempts).where(*OF_ATTEMPT).values(count=attempts.c.count + 1)
_READ_ATTEMPT = select(attempts.c.count).where(*OF_ATTEMPT)
_FORGET_ATTEMPT = delete(attempts).where(*OF_ATTEMPT)


def variant_of_result(result_id: str) -> str:
    """Of an error that is told apart by its result alone; `known` does not look for such ones, there may be many."""
    return _OF_RESULT + result_id


class Ledger:
    """Reads and writes outcomes. One process writes; its threads may share this object."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last_message = 0
        self._knows_last = False
        self._repeated: int | None = None

    def known(self, frame_ids: Iterable[tuple[str, str]]) -> dict[Key, str]:
        """Which of these (station, frame id) have outcomes, but for those that are told apart by their result alone.

        Raises:
            StoreError: the database cannot be read.
        """
        asked = list(frame_ids)
        wanted = {"stations": list({s for s, _ in asked}), "frame_ids": list({f for _, f in asked})}
        with store_errors("ledger"), self._engine.connect() as connection:
            return {(row[0], row[1], row[2]): row[3] for row in connection.execute(_KNOWN, wanted)}

    def sequence_numbers(self) -> dict[str, list[tuple[int, bool]]]:
        """The sequence numbers among the newest outcomes, and which are of check parts, by station, oldest first.

        Raises:
            StoreError: the database cannot be read.
        """
        numbers: dict[str, list[tuple[int, bool]]] = {}
        with store_errors("ledger"), self._engine.connect() as connection:
            for station, seq, outcome, word in reversed(connection.execute(_NEWEST_NUMBERS).all()):
                if seq is not None and word != "retained":
                    numbers.setdefault(station, []).append((seq, outcome == "check"))
        return numbers

    def commit(
        self,
        entries: Sequence[Entry],
        *,
        duplicates: Sequence[Key] = (),
        attempted: Sequence[tuple[str, str, str]] = (),
        confirmed: Sequence[int] = (),
    ) -> list[OutboxMessage]:
        """In one transaction: outcomes and what is to be published, further deliveries of frames that have an
        outcome, the end of counting attempts at (station, frame id, sha256), and outbox rows that the broker has.
        Returns what is to be published.

        Raises:
            ConflictError: one of the frames has an outcome; nothing was written.
            StoreError: nothing was written, or all was and the answer got lost: `written` tells.
        """
        self._repeated = None
        try:
            with store_errors("ledger"), writing(self._engine) as connection:
                messages = self._messages(connection, entries)
                _write(connection, entries, messages, duplicates)
                if duplicates and not entries:
                    self._repeated = connection.execute(_DUPLICATES, _keyed(duplicates[0])).scalar()
                for attempt in attempted:
                    connection.execute(_FORGET_ATTEMPT, _named(attempt))
                if confirmed:
                    connection.execute(_CONFIRM, {"ids": list(confirmed)})
        except ConflictError:
            self._knows_last = False
            raise
        if messages:
            self._last_message = messages[-1].id
        return messages

    def written(self, entries: Sequence[Entry], duplicates: Sequence[Key] = ()) -> list[OutboxMessage] | None:
        """After a commit of these entries and duplicates that failed: what it left to be published if it was written
        all the same, as where a server goes after it has committed and before it says so; None if nothing was written.

        Raises:
            StoreError: the database cannot be read.
        """
        with store_errors("ledger"), self._engine.connect() as connection:
            if not entries:
                # Nobody else counts them: where the first has as many as that commit left it with, it was written.
                repeated = self._repeated
                if repeated is None or not duplicates:
                    return None
                there = connection.execute(_DUPLICATES, _keyed(duplicates[0])).scalar()
                return [] if there == repeated else None
            written = connection.execute(_RESULT, _keyed(entries[0].key)).scalar()
        if written != entries[0].result_id:
            return None
        messages = Outbox(self._engine).waiting(after=self._last_message, most=len(entries))
        if messages:
            self._last_message = messages[-1].id
        return messages

    def _messages(self, connection: Connection, entries: Sequence[Entry]) -> list[OutboxMessage]:
        """Ids rise in the order of commits, and none is used twice by one process.

        After a conflict the last one is read anew: rows may be there that this process did not write.
        """
        if not self._knows_last:
            self._last_message = max(self._last_message, int(connection.execute(_LAST_MESSAGE).scalar_one()))
            self._knows_last = True
        written = [(entry.topic, entry.document) for entry in entries]
        wanted = [(topic, document) for topic, document in written if topic is not None and document is not None]
        return [OutboxMessage(i, topic, document) for i, (topic, document) in enumerate(wanted, self._last_message + 1)]

    def attempt(self, station: str, frame_id: str, sha256: str) -> int:
        """Counts that a redelivered frame is about to be inspected; returns how often that was counted.

        Raises:
            StoreError: the count could not be written.
        """
        frame = _named((station, frame_id, sha256))
        with store_errors("ledger"), writing(self._engine) as connection:
            if connection.execute(_COUNT_ATTEMPT, frame).rowcount:
                return int(connection.execute(_READ_ATTEMPT, frame).scalar_one())
            begun = {"station": station, "frame_id": frame_id, "sha256": sha256, "count": 1}
            connection.execute(insert(attempts), begun)
            return 1


def _write(
    connection: Connection, entries: Sequence[Entry], messages: Sequence[OutboxMessage], duplicates: Sequence[Key]
) -> None:
    if entries:
        connection.execute(_INSERT_FRAMES, [_row(entry) for entry in entries])
    if messages:
        rows = [{"id": one.id, "topic": one.topic, "payload": one.payload} for one in messages]
        connection.execute(_INSERT_OUTBOX, rows)
    if duplicates:
        connection.execute(_COUNT_DUPLICATE, [_keyed(key) for key in duplicates])


def _row(entry: Entry) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in _COLUMNS}
    row["variant"] = entry.key[2]
    row["document"] = None if entry.document is None else entry.document.decode()
    return row


def _keyed(key: Key) -> dict[str, str]:
    return dict(zip(("of_station", "of_frame_id", "of_variant"), key, strict=True))


def _named(attempt: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("of_station", "of_frame_id", "of_sha256"), attempt, strict=True))
