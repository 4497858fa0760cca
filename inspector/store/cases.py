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

_Asked = ColumnElement[Any]

_station, _is_verdict = NotIndexed(frames.c.station), NotIndexed(frames.c.outcome) == "verdict"
"""As conditions of their own, these would lead SQLite through every frame of a station."""


class Cases:
    """Reads frames whose picture is archived. Every method raises StoreError where the database cannot be read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def guard(self, *stations: str) -> list[FrameRow]:
        """Confirmed defects, escapes included, oldest first: no bank may pass them unnoticed."""
        return self._read(_said(stations, "defect", *COLUMNS).order_by(frames.c.id))

    def guarding(self, *stations: str) -> int:
        """How many `guard` gives."""
        return self._count(_said(stations, "defect", func.count()))

    def false_alarms(self, *stations: str) -> list[FrameRow]:
        """Frames that the line did not pass and an operator did, oldest first."""
        return self._read(_alarms(stations, *COLUMNS).order_by(frames.c.id))

    def false_alarm_digests(self, *stations: str) -> list[str]:
        """The sha256 of the picture of each that `false_alarms` gives."""
        with store_errors("cases"), self._engine.connect() as connection:
            return list(connection.scalars(_alarms(stations, frames.c.sha256)))

    def good(self, station: str, *, limit: int) -> list[FrameRow]:
        """The newest frames that an operator called good, whatever the line said of them, newest first."""
        return self._read(_good(station, limit, *COLUMNS))

    def good_digests(self, station: str, *, limit: int) -> set[str]:
        """The sha256 of the picture of each that `good` gives."""
        with store_errors("cases"), self._engine.connect() as connection:
            return set(connection.scalars(_good(station, limit, frames.c.sha256)))

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
        return self._count(
            select(func.count()).where(_decided(stations, "defect"), frames.c.image.is_(None), _is_verdict)
        )

    def _count(self, query: Select[Any]) -> int:
        with store_errors("cases"), self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _read(self, query: Select[Any]) -> list[FrameRow]:
        with store_errors("cases"), self._engine.connect() as connection:
            return [FrameRow.of(row) for row in connection.execute(query)]


def _good(station: str, limit: int, *columns: _Asked) -> Select[Any]:
    return _said((station,), "false_alarm", *columns).order_by(frames.c.id.desc()).limit(limit)


def _alarms(stations: Sequence[str], *columns: _Asked) -> Select[Any]:
    return _said(stations, "false_alarm", *columns).where(frames.c.word != _PASSED)


def _said(stations: Sequence[str], disposition: str, *columns: _Asked) -> Select[Any]:
    """Of frames whose picture is kept, and of which this was said."""
    kept = NotIndexed(frames.c.image).is_not(None)
    return select(*columns).where(_decided(stations, disposition), kept, _is_verdict)


def _decided(stations: Sequence[str], disposition: str) -> ColumnElement[bool]:
    """Frames of which this was said, found in an index of the decided ones alone."""
    said = reviewed, _station.in_(stations), NotIndexed(frames.c.disposition) == disposition
    return frames.c.id.in_(select(frames.c.id).where(*said))
