"""The line: what every station does now."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, HTTPException, Request, Response

from inspector.review.lately import SILENT_S, StationNow
from inspector.review.shifts import Span
from inspector.store import Checks, Newest, NewestPictures, Role, Tally
from inspector.web.access import Viewer
from inspector.web.desk import Desk, DeskDep
from inspector.web.message import Message
from inspector.web.navigation import NavEntry

NAV = NavEntry("/line", Message("Line"), Role.VIEWER)
router = APIRouter(include_in_schema=False)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHECKED = timedelta(days=7)
"""For so long the last check of a station is shown."""
_STALE = timedelta(seconds=SILENT_S)


@router.get("/line")
def show_line(request: Request, desk: DeskDep, _user: Viewer) -> Response:
    """A card for each station, which the page's script keeps fresh."""
    now, newest = datetime.now(UTC), Newest(desk.engine)
    stations = _stations(desk, newest, now)
    pictures = NewestPictures(desk.settings.data_dir)
    pictures.ask()
    return desk.page(
        request,
        "line.html",
        stations=stations,
        flagged=newest.flagged([one.name for one in stations]),
        checked=Checks(desk.engine).runs([one.name for one in stations], now - CHECKED),
        absence_of=desk.evidence.absence,
        without_bank=desk.without_bank(),
        drawn=_fresh(pictures.drawn_at(desk.settings.station_names), stations),
        listed=desk.settings.station_names,
        instead=_instead(desk, stations, now),
        now=now,
        zone=desk.settings.review.zone,
    )


@router.get("/line/thumbnail")
def newest_picture(desk: DeskDep, _user: Viewer, station: str) -> Response:
    """What a station saw last, small. Its address on the page says when that was, so a browser may keep it."""
    listed = station in desk.settings.station_names
    picture = NewestPictures(desk.settings.data_dir).read(station) if listed else None
    if picture is None:
        raise HTTPException(404, Message("There is no picture of this station now."))
    return Response(picture, media_type="image/jpeg", headers={"cache-control": "private, max-age=60"})


def _fresh(drawn: Mapping[str, datetime], stations: list[StationNow]) -> dict[str, datetime]:
    """Without pictures that are older than the station's last frame by so much that it may look otherwise by now."""
    last = {one.name: one.last.at for one in stations if one.last}
    return {name: at for name, at in drawn.items() if name not in last or last[name] - at <= _STALE}


def _instead(desk: Desk, stations: list[StationNow], now: datetime) -> dict[str, str]:
    """By each silent station of a camera that sees another product now: the station of that one."""
    running = {one.name for one in stations if one.last and one.silent_s(now) is None}
    others = {str(one.id): desk.settings.beside(one) for one in desk.settings.stations if str(one.id) not in running}
    return {name: busy[0] for name, beside in others.items() if (busy := [one for one in beside if one in running])}


def _stations(desk: Desk, newest: Newest, now: datetime) -> list[StationNow]:
    """Those of the settings, and others that sent a frame within a day: the ledger remembers what is long gone."""
    tally = Tally(desk.engine)
    names = desk.stations(tally.stations())
    outcomes = newest.outcomes(names)
    waiting = desk.queue.open_counts()
    begin = now - HOUR
    counts, _ = tally.counts(names, [Span("", begin.date(), begin, now)])
    hours: dict[str, Counter[str]] = {name: Counter() for name in names}
    for one in counts:
        hours[one.station][one.word] += one.frames
    found = [StationNow(name, outcomes.get(name, ()), hours[name], waiting.get(name, 0)) for name in names]
    listed = set(desk.settings.station_names)
    return [one for one in found if one.name in listed or (one.last and now - one.last.at < DAY)]
