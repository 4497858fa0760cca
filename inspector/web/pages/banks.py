"""Banks: what each station runs and where it came from; rollback. Their candidates have pages of their own."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from inspector.bank import manifest_digest
from inspector.banks import promotion, rebuilding
from inspector.banks.shelf import ChangedError, Shelf
from inspector.banks.soundness import why_refused
from inspector.errors import BankError, EngineError
from inspector.manifest import Manifest, is_bank_there, read_manifest
from inspector.store import Candidates, Cases, Role
from inspector.web.access import Engineer
from inspector.web.desk import Desk, DeskDep
from inspector.web.message import Message
from inspector.web.navigation import NavEntry

NAV = NavEntry("/banks", Message("Banks"), Role.ENGINEER)
router = APIRouter(prefix="/banks", include_in_schema=False)

_MOVES = 10
_Did = Literal["promoted", "rolled_back"]
Reason = Annotated[str, Form(max_length=2000)]
Station = Annotated[str, Form(max_length=260)]
Seen = Annotated[str, Form(max_length=64)]


@dataclass(frozen=True, slots=True)
class _InUse:
    """The bank in a station's folder."""

    manifest: Manifest
    digest: str


@router.get("")
def show_banks(
    request: Request, desk: DeskDep, _user: Engineer, station: str | None = None, did: _Did | None = None
) -> Response:
    """One station: its bank, its history, its candidates. did: what the same person did just now."""
    return banks_page(request, desk, desk.station_asked(station), did=did)


@router.post("/rollback")
def roll_back(
    request: Request, desk: DeskDep, user: Engineer, station: Station, seen: Seen = "", reason: Reason = ""
) -> Response:
    """The bank that was replaced last, again. seen: the digest of the bank in use on the screen, if one was."""
    try:
        promotion.rollback(desk.settings, desk.engine, station, by=user.name, reason=reason, seen=seen or None)
    except ChangedError as error:
        return banks_page(request, desk, station, fault=str(error), status=409, reason=reason)
    except (BankError, EngineError) as error:
        return banks_page(request, desk, station, fault=str(error), reason=reason)
    return to_station(station, did="rolled_back")


def banks_page(
    request: Request,
    desk: Desk,
    station: str,
    *,
    fault: str | None = None,
    status: int = 400,
    reason: str = "",
    did: _Did | None = None,
) -> Response:
    """The page of a station. fault: what went wrong just now, answered with `status`. reason: what its form says."""
    place = desk.settings.station(station).bank
    promotion.record(desk.settings, desk.engine, place)
    cases, shelf, here = Cases(desk.engine), Shelf(place), desk.settings.stations_at(place)
    in_use, broken = None, None
    try:
        in_use = _InUse(read_manifest(place), manifest_digest(place))
    except BankError as error:
        broken = str(error)
    known = {sample.sha256 for sample in in_use.manifest.samples} if in_use else set()
    alarms, moves, kept = cases.false_alarm_digests(station), shelf.moves(), shelf.kept()
    values = {
        "station": station,
        "stations": desk.settings.station_names,
        "sharing": desk.settings.sharing(station),
        "folder": shlex.quote(str(place)),
        "in_use": in_use,
        "broken": broken,
        "refused": why_refused(place) if in_use else None,
        "no_bank": not is_bank_there(place),
        "last": cases.last(station),
        "ancestors": _ancestors(in_use.manifest, kept) if in_use else (),
        "names": {one.digest: one.id for move in moves for one in (move.before, move.after) if one is not None},
        "moves": tuple(reversed(moves))[:_MOVES],
        "previous": shelf.previous(kept),
        "candidates": [
            rebuilding.settled(desk.settings, desk.engine, one) for one in Candidates(desk.engine).of(station)
        ],
        "alarms": len(alarms),
        "new_alarms": sum(digest not in known for digest in alarms),
        "guard": cases.guarding(*here),
        "unguarded": cases.without_picture(*here),
        "running": rebuilding.is_running(desk.settings, station),
        "fault": fault,
        "reason": reason,
        "did": did,
    }
    return desk.page(request, "banks.html", status=status if fault else 200, **values)


def _ancestors(manifest: Manifest, kept: Mapping[str, Path]) -> list[tuple[str, Manifest | None]]:
    """The banks that this one came from, nearest first: digest, and the manifest where the shelf still has it."""
    found = []
    parent = manifest.lineage.parent
    while parent is not None:
        folder = kept.get(parent)
        before = read_manifest(folder) if folder else None
        found.append((parent, before))
        parent = before.lineage.parent if before else None
    return found


def to_station(station: str, *, did: _Did | None = None) -> Response:
    """Leads to the page of a station's bank."""
    return RedirectResponse(f"/banks?station={station}{f'&did={did}' if did else ''}", status_code=303)
