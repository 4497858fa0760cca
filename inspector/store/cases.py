"""The recorded frames of stations on which a new bank is tried: confirmed defects, false alarms, and the newest."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, func, select

from inspector.store.database import store_errors
from inspector.store.frame_row import COLUMNS, FrameRow
from inspector.store.not_indexed import NotIndexed
from inspector.store.tables import frames, reviewed

_PASSED = "ok"
_LAST = 5000

_station, _is_verdict = NotIndexed(frames.c.station), NotIndexed(frames.c.outcome) == "verdict"
"""As conditions of their own, these would lead SQLite through every frame of a station."""


class Cases:
    """Reads frames whose picture is archived. Every method raises StoreError where the database cannot be read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def guard(self, *stations: str) -> list[FrameRow]:
        """Confirmed defects, escapes included, oldest first: no bank may pass them unnoticed."""
        return self._said(stations, "defect")

    def false_alarms(self, *stations: str) -> list[FrameRow]:
        """Frames that the line did not pass and an operator did, oldest first."""
        return self._said(stations, "false_alarm", frames.c.word != _PASSED)

    def recent(self, *stations: str, limit: int) -> list[FrameRow]:
        """The newest frames of them all, decided or not, newest first."""
        kept = frames.c.image.is_not(None), _station.in_(stations), _is_verdict
        return self._read(select(*COLUMNS).where(*kept).order_by(frames.c.id.desc()).limit(limit))

    def last(self, station: str) -> FrameRow | None:
        """The station's last verdict, if it is among the last frames of all."""
        newest = select(func.coalesce(func.max(frames.c.id), 0)).scalar_subquery()
        wanted = frames.c.id > newest - _LAST, _station == station, _is_verdict
        found = self._read(select(*COLUMNS).where(*wanted).order_by(frames.c.id.desc()).limit(1))
        return found[0] if found else None

    def without_picture(self, *stations: str) -> int:
        """Confirmed defects of these stations that guard nothing, as no picture of them was kept."""
        lost = select(func.count()).where(_decided(stations, "defect"), frames.c.image.is_(None), _is_verdict)
        with store_errors("cases"), self._engine.connect() as connection:
            return int(connection.execute(lost).scalar_one())

    def _said(self, stations: Sequence[str], disposition: str, *wanted: ColumnElement[bool]) -> list[FrameRow]:
        kept = _decided(stations, disposition), NotIndexed(frames.c.image).is_not(None), _is_verdict
        return self._read(select(*COLUMNS).where(*kept, *wanted).order_by(frames.c.id))

    def _read(self, query: Select[Any]) -> list[FrameRow]:
        with store_errors("cases"), self._engine.connect() as connection:
            return [FrameRow.of(row) for row in connection.execute(query)]


def _decided(stations: Sequence[str], disposition: str) -> ColumnElement[bool]:
    """Frames of which this was said, found in an index of the decided ones alone."""
    said = reviewed, _station.in_(stations), NotIndexed(frames.c.disposition) == disposition
    return frames.c.id.in_(select(frames.c.id).where(*said))
