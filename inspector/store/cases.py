"""The recorded frames of stations on which a new bank is tried: confirmed defects, false alarms, and the newest."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Engine, func, select

from inspector.store.database import store_errors
from inspector.store.frame_row import COLUMNS, FrameRow
from inspector.store.tables import frames

_PASSED = "ok"
_LAST = 5000


class Cases:
    """Reads frames whose picture is archived. Every method raises StoreError where the database cannot be read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def guard(self, *stations: str) -> list[FrameRow]:
        """Confirmed defects, escapes included, oldest first: no bank may pass them unnoticed."""
        return self._read(stations, frames.c.disposition == "defect", oldest=True)

    def false_alarms(self, *stations: str) -> list[FrameRow]:
        """Frames that the line did not pass and an operator did, oldest first."""
        said = frames.c.disposition == "false_alarm", frames.c.word != _PASSED
        return self._read(stations, *said, oldest=True)

    def recent(self, *stations: str, limit: int) -> list[FrameRow]:
        """The newest frames of them all, decided or not, newest first."""
        return self._read(stations, limit=limit)

    def last(self, station: str) -> FrameRow | None:
        """The station's last verdict, if it is among the last frames of all."""
        newest = select(func.coalesce(func.max(frames.c.id), 0)).scalar_subquery()
        wanted = frames.c.id > newest - _LAST, frames.c.station == station, frames.c.outcome == "verdict"
        query = select(*COLUMNS).where(*wanted).order_by(frames.c.id.desc()).limit(1)
        with store_errors("cases"), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else FrameRow.of(row)

    def without_picture(self, *stations: str) -> int:
        """Confirmed defects of these stations that guard nothing, as no picture of them was kept."""
        wanted = frames.c.station.in_(stations), frames.c.disposition == "defect", frames.c.image.is_(None)
        query = select(frames.c.id).where(frames.c.outcome == "verdict", *wanted)
        with store_errors("cases"), self._engine.connect() as connection:
            return len(connection.execute(query).all())

    def _read(
        self, stations: Sequence[str], *wanted: ColumnElement[bool], oldest: bool = False, limit: int | None = None
    ) -> list[FrameRow]:
        kept = frames.c.outcome == "verdict", frames.c.image.is_not(None), frames.c.station.in_(stations)
        query = select(*COLUMNS).where(*kept, *wanted)
        query = query.order_by(frames.c.id if oldest else frames.c.id.desc()).limit(limit)
        with store_errors("cases"), self._engine.connect() as connection:
            return [FrameRow.of(row) for row in connection.execute(query)]
