"""Retention: old frames are removed in small steps, so that neither disk nor ledger grows for ever.

Each kind of frame has a time of its own, for its row and its picture alike. Above their bounds, or on a disk that is
nearly full, pictures of decided frames are removed before their time, and rows that nobody was asked about above
theirs; nothing else is. What operators said stays in the audit. Up to when verdicts of a station were removed is noted
with it: what is left of that time is a selection, of which no rate can be told.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, select, update

from inspector.errors import StoreError
from inspector.store.archive import SHARDS, Archive
from inspector.store.database import store_errors, writing
from inspector.store.ledger import OF_ATTEMPT
from inspector.store.tables import attempts, frames, removed

_ROWS = 100
"""Rows that are looked at in one step, and deleted in one transaction."""

_PICTURES = 50
_ORPHAN_S = 3600.0
"""A file that no row refers to is left alone for so long: its row may be on its way."""

_STRAY = 200
"""Of so many pictures a few power cuts may have kept their rows from the ledger. More, and most of what there is, are
those of another ledger: none is removed, as it may come back.
"""

_RELIEF = (0.95, 0.90)
"""Shares of the bound: above the first, pictures are removed down to the second."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long, in days, since a frame came or was decided, whichever is later; None: for ever.

    records: frames that nobody was asked about. unreviewed: frames that wait for an operator. reviewed: frames that are
    decided, but for defects. defects: confirmed defects. max_bytes: of pictures. max_records: rows.
    """

    records: float
    unreviewed: float
    reviewed: float
    defects: float | None
    max_bytes: int
    max_records: int

    def days(self, *, queued: bool, disposition: str | None) -> float | None:
        """How long such a frame stays."""
        if disposition == "defect":
            return self.defects
        if disposition is not None:
            return self.reviewed
        return self.unreviewed if queued else self.records

    @property
    def shortest(self) -> float:
        """What is younger than this stays in any case."""
        return min(self.records, self.unreviewed, self.reviewed, *([] if self.defects is None else [self.defects]))


@dataclass(frozen=True, slots=True)
class Freed:
    """What one step removed."""

    records: int = 0
    pictures: int = 0


_OLDEST = (
    select(
        frames.c.id,
        frames.c.version,
        frames.c.station,
        frames.c.outcome,
        frames.c.received_at,
        frames.c.reviewed_at,
        frames.c.queued,
        frames.c.disposition,
        frames.c.image,
        frames.c.sha256,
    )
    .where(frames.c.id > bindparam("after"))
    .order_by(frames.c.id)
    .limit(bindparam("most"))
)
_NEWEST = (
    select(frames.c.received_at)
    .where(~frames.c.received_at.between(bindparam("begin"), bindparam("end")))
    .order_by(frames.c.id.desc())
    .limit(1)
)
_PICTURES_OF = (
    select(frames.c.id, frames.c.version, frames.c.image, frames.c.sha256, frames.c.disposition)
    .where(frames.c.id > bindparam("after"), frames.c.image.is_not(None))
    .order_by(frames.c.id)
    .limit(bindparam("most"))
)
_KEPT = select(frames.c.sha256, frames.c.image).where(
    frames.c.image.is_not(None), frames.c.sha256.in_(bindparam("digests", expanding=True))
)
_ENDS = tuple(select(func.coalesce(end(frames.c.id), 0)) for end in (func.min, func.max))
_BY_ID = frames.c.id.in_(bindparam("ids", expanding=True))
_NOW = select(frames.c.id, frames.c.version).where(_BY_ID).order_by(frames.c.id).with_for_update()
_DELETE = delete(frames).where(_BY_ID)
_ATTEMPTS = select(attempts.c.station, attempts.c.frame_id, attempts.c.sha256, attempts.c.count)
_FORGET_ATTEMPT = delete(attempts).where(*OF_ATTEMPT, attempts.c.count == bindparam("of_count"))
_REMOVED = select(removed.c.station, removed.c.received_at).where(
    removed.c.station.in_(bindparam("stations", expanding=True))
)
_REMOVED_FIRST = insert(removed)
_REMOVED_LATER = (
    update(removed).where(removed.c.station == bindparam("of_station")).values(received_at=bindparam("moment"))
)
_FORGET_PICTURE = update(frames).where(_BY_ID).values(image=None, image_freed_at=bindparam("freed_at"))


class Retention:
    """Removes what is past its time. Each method works in small steps: whoever iterates sets the pace.

    All raise StoreError where the database cannot be read or written, or a picture cannot be removed; what was removed
    until then is gone. Folders of the archive that cannot be read are passed over: see `Archive.unreadable`.
    """

    def __init__(self, engine: Engine, archive: Archive, policy: Policy) -> None:
        self._engine = engine
        self._archive = archive
        self._policy = policy
        self._begun: frozenset[tuple[str, str, str, int]] = frozenset()

    def forget_attempts(self) -> Iterator[Freed]:
        """Removes the attempts that were there the last time already, of frames that never came again. To be called
        so seldom that a frame in hand has had its outcome, or ended the process.
        """
        with store_errors("retention"), writing(self._engine) as connection:
            there = {(row[0], row[1], row[2], row[3]) for row in connection.execute(_ATTEMPTS)}
            for station, frame_id, sha256, count in there & self._begun:
                of_it = {"of_station": station, "of_frame_id": frame_id, "of_sha256": sha256, "of_count": count}
                connection.execute(_FORGET_ATTEMPT, of_it)
        self._begun = frozenset(there - self._begun)
        yield Freed()

    def sweep(self, now: datetime) -> Iterator[Freed]:
        """Removes the frames that are past their time, oldest first, with their pictures."""
        after, surplus = 0, self._surplus()
        newest = now - timedelta(days=self._policy.shortest)
        while True:
            with store_errors("retention"), self._engine.connect() as connection:
                rows = connection.execute(_OLDEST, {"after": after, "most": _ROWS}).all()
            if not rows:
                return
            going: list[Any] = []
            for row in rows:
                unasked = not row.queued and row.disposition is None
                if (unasked and len(going) < surplus) or self._is_past_its_time(row, now):
                    going.append(row)
            surplus -= len(going)
            yield self._remove(going, now)
            after = rows[-1].id
            if surplus <= 0 and newest < rows[-1].received_at <= now:  # later ones are of a clock that was wrong
                return

    def newest(self, but: tuple[datetime, datetime]) -> datetime | None:
        """When the last frame came that the ledger knows, but for those that came between two moments."""
        with store_errors("retention"), self._engine.connect() as connection:
            return connection.execute(_NEWEST, {"begin": but[0], "end": but[1]}).scalar()

    def relieve(self) -> Iterator[Freed]:
        """Where the pictures are near their bound, or leave the ledger too little of the disk, removes those of decided
        frames, oldest first; never of defects.
        """
        size = self._archive.size_bytes
        if not size:
            return
        bound = min(self._policy.max_bytes, size + self._archive.room_bytes())
        most, enough = (bound * part for part in _RELIEF)
        if size <= most:
            return
        after = 0
        while self._archive.size_bytes > enough:
            with store_errors("retention"), self._engine.connect() as connection:
                rows = connection.execute(_PICTURES_OF, {"after": after, "most": _ROWS}).all()
            if not rows:
                return
            going = [row for row in rows if row.disposition not in (None, "defect")]
            for part in _parts(going, _PICTURES):
                yield self._remove_pictures(part)
                if self._archive.size_bytes <= enough:
                    return
            after = rows[-1].id
            yield Freed()

    def tidy(self) -> Iterator[Freed]:
        """Measures the archive, and removes the pictures that no frame refers to, as after a power cut.

        Raises:
            StoreError: these are most of the pictures, as beside an empty or a wrong ledger; all of them stay.
        """
        old = stray = 0
        for part in self._old_pictures():
            old += len(part)
            stray += len(self._unreferenced(part))
            yield Freed()
        if stray > max(_STRAY, old / 2):
            raise StoreError(
                f"archive {self._archive.folder}: no frame in the ledger speaks of {stray:,} pictures, most of "
                "those there, expected it of few; nothing is removed. If their ledger is another one, restore that; if "
                "nobody needs them, move them elsewhere"
            )
        for part in self._old_pictures() if stray else ():
            with self._archive.held():
                removed = self._remove_unreferenced(part)
            yield Freed(pictures=removed)

    def _old_pictures(self) -> Iterator[Sequence[tuple[str, str]]]:
        """What is in the archive for longer than a row may be on its way: of each shard one part at least."""
        for shard in SHARDS:
            older = self._archive.measure(shard, before=time.time() - _ORPHAN_S)
            yield from _parts(older, _PICTURES) if older else [[]]

    def _is_past_its_time(self, row: Any, now: datetime) -> bool:
        days = self._policy.days(queued=row.queued, disposition=row.disposition)
        since = row.received_at if row.reviewed_at is None else max(row.received_at, row.reviewed_at)
        return days is not None and bool(since < now - timedelta(days=days))

    def _surplus(self) -> int:
        """How many rows there are above their bound; at or below 0 where there are not too many. Ids rise by one or
        more from row to row, so where the newest and the oldest say that all fit nothing is counted.
        """
        with store_errors("retention"), self._engine.connect() as connection:
            oldest, newest = (int(connection.execute(end).scalar_one()) for end in _ENDS)
            rows = newest - oldest + 1
            if rows > self._policy.max_records:
                rows = int(connection.execute(select(func.count()).select_from(frames)).scalar_one())
        return rows - self._policy.max_records

    def _remove(self, rows: Sequence[Any], now: datetime) -> Freed:
        records = self._delete([row for row in rows if row.image is None], now)
        pictures = 0
        for part in _parts([row for row in rows if row.image is not None], _PICTURES):
            with self._archive.held():
                records += self._delete(part, now)
                pictures += self._remove_unreferenced([(row.sha256, row.image) for row in part])
        return Freed(records, pictures)

    def _delete(self, rows: Sequence[Any], now: datetime) -> int:
        if not rows:
            return 0
        with store_errors("retention"), writing(self._engine) as connection:
            same = _unchanged(connection, rows)
            connection.execute(_DELETE, {"ids": [row.id for row in same]})
            _note(connection, same, now)
        return len(same)

    def _remove_pictures(self, rows: Sequence[Any]) -> Freed:
        with self._archive.held():
            with store_errors("retention"), writing(self._engine) as connection:
                same = [row.id for row in _unchanged(connection, rows)]
                connection.execute(_FORGET_PICTURE, {"ids": same, "freed_at": datetime.now(UTC)})
            return Freed(pictures=self._remove_unreferenced([(row.sha256, row.image) for row in rows]))

    def _remove_unreferenced(self, pictures: Iterable[tuple[str, str]]) -> int:
        """Removes those of the pictures that no frame refers to; returns how many that were."""
        return sum(self._archive.remove(digest, suffix) > 0 for digest, suffix in self._unreferenced(pictures))

    def _unreferenced(self, pictures: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the pictures that no frame refers to: several frames may share one."""
        asked = set(pictures)
        if not asked:
            return asked
        with store_errors("retention"), self._engine.connect() as connection:
            kept = connection.execute(_KEPT, {"digests": sorted({digest for digest, _ in asked})}).all()
        return asked - {(row.sha256, row.image) for row in kept}


def _unchanged(connection: Connection, rows: Sequence[Any]) -> list[Any]:
    """Those about which nobody has said anything since they were read; locked until the transaction ends."""
    now = {row.id: row.version for row in connection.execute(_NOW, {"ids": [row.id for row in rows]})}
    return [row for row in rows if now.get(row.id) == row.version]


def _note(connection: Connection, rows: Sequence[Any], now: datetime) -> None:
    """Up to when verdicts are removed. Those of a clock that was ahead do not count: they would void all until then."""
    newest: dict[str, datetime] = {}
    for row in rows:
        if row.outcome == "verdict" and row.received_at <= now:
            newest[row.station] = max(row.received_at, newest.get(row.station, row.received_at))
    if not newest:
        return
    before = {row.station: row.received_at for row in connection.execute(_REMOVED, {"stations": list(newest)})}
    for station, moment in newest.items():
        if station not in before:
            connection.execute(_REMOVED_FIRST, {"station": station, "received_at": moment})
        elif before[station] < moment:
            connection.execute(_REMOVED_LATER, {"of_station": station, "moment": moment})


def _parts(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (rows[begin : begin + size] for begin in range(0, len(rows), size))
