"""Banks: what each station runs and where it came from; candidates, their shadow runs, promotion and rollback."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from inspector.bank import file_sha256
from inspector.banks import promotion, rebuilding
from inspector.banks.promotion import GuardError
from inspector.banks.shelf import NO_BANK, ChangedError, Move, Shelf
from inspector.banks.soundness import why_refused
from inspector.errors import BankError, EngineError, SamplesError
from inspector.manifest import Manifest, is_bank_there, read_manifest
from inspector.samples.naming import named_moment
from inspector.store import Candidate, Candidates, Cases, Role
from inspector.store.candidates import PROMOTABLE, RUNNING
from inspector.store.frame_row import MAX_ID
from inspector.web.access import Engineer
from inspector.web.desk import Desk, DeskDep
from inspector.web.message import Message
from inspector.web.navigation import NavEntry

NAV = NavEntry("/banks", Message("Banks"), Role.ENGINEER)
router = APIRouter(prefix="/banks", include_in_schema=False)

_MOVES = 10
_Did = Literal["promoted", "rolled_back"]
_Reason = Annotated[str, Form(max_length=2000)]
_Station = Annotated[str, Form(max_length=260)]
_Seen = Annotated[str, Form(max_length=64)]


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
    return _banks(request, desk, station or desk.settings.station_names[0], did=did)


@router.post("/rebuild")
def rebuild(request: Request, desk: DeskDep, user: Engineer, station: _Station) -> Response:
    """Begins a candidate from what operators said, and opens its page."""
    desk.settings.station(station)
    try:
        number = rebuilding.start(desk.settings, desk.engine, station, by=user.name)
    except SamplesError as error:
        return _banks(request, desk, station, fault=str(error))
    return to_candidate(number)


@router.post("/rollback")
def roll_back(
    request: Request, desk: DeskDep, user: Engineer, station: _Station, seen: _Seen = "", reason: _Reason = ""
) -> Response:
    """The bank that was replaced last, again. seen: the digest of the bank in use on the screen, if one was."""
    try:
        promotion.rollback(desk.settings, desk.engine, station, by=user.name, reason=reason, seen=seen or None)
    except ChangedError as error:
        return _banks(request, desk, station, fault=str(error), status=409, reason=reason)
    except (BankError, EngineError) as error:
        return _banks(request, desk, station, fault=str(error), reason=reason)
    return _to_station(station, did="rolled_back")


@router.get("/candidates/{number}")
def show_candidate(request: Request, desk: DeskDep, _user: Engineer, number: int) -> Response:
    """What went in, what the shadow run found, and whether it may be promoted."""
    return candidate_page(request, desk, candidate_or_404(desk, number))


@router.get("/candidates/{number}/progress")
def progress(desk: DeskDep, _user: Engineer, number: int) -> dict[str, Any]:
    """How far it is, for the page's script."""
    candidate = _settled(desk, candidate_or_404(desk, number))
    return {"state": candidate.state, "progress": candidate.document.get("progress")}


@router.post("/candidates/{number}/promote")
def promote(
    request: Request, desk: DeskDep, user: Engineer, number: int, seen: _Seen = "", reason: _Reason = "",
    passing: Annotated[int | None, Form(ge=0)] = None,
) -> Response:  # fmt: skip
    """Takes it into use; the daemon takes it over between two frames. seen: as `roll_back` has it. passing: how many
    confirmed defects pass by what the page told; a reason that was given for these is none for more.
    """
    candidate = _settled(desk, candidate_or_404(desk, number))
    if candidate.state not in PROMOTABLE:
        if candidate.state == "promoted" and _is_in_use(desk, candidate):  # the form was sent twice
            return _to_station(candidate.station, did="promoted")
        return candidate_page(
            request, desk, candidate, fault=f"This candidate is {candidate.state}; it cannot be promoted."
        )
    try:
        promotion.promote(
            desk.settings,
            desk.engine,
            candidate.station,
            Path(candidate.path),
            by=user.name,
            reason=reason,
            seen=seen or None,
            passing=passing,
        )
    except ChangedError as error:
        if _is_in_use(desk, candidate):
            return _to_station(candidate.station, did="promoted")
        return candidate_page(request, desk, candidate, fault=str(error), status=409, reason=reason)
    except GuardError as error:
        return candidate_page(request, desk, candidate, fault=str(error), reason=reason, passing=len(error.missed))
    except (BankError, EngineError) as error:
        return candidate_page(request, desk, candidate, fault=str(error), reason=reason)
    Candidates(desk.engine).tell(number, state="promoted")
    return _to_station(candidate.station, did="promoted")


@router.post("/candidates/{number}/stop")
def stop(desk: DeskDep, user: Engineer, number: int) -> Response:
    """Ends the work on it."""
    candidate = _settled(desk, candidate_or_404(desk, number))
    if candidate.state in RUNNING:
        rebuilding.stop(desk.settings, desk.engine, candidate, by=user.name)
    return to_candidate(number)


@router.post("/candidates/{number}/reject")
def reject(desk: DeskDep, user: Engineer, number: int) -> Response:
    """Puts it aside."""
    candidate = candidate_or_404(desk, number)
    if candidate.state in (*PROMOTABLE, "failed"):
        Candidates(desk.engine).tell(number, state="rejected", rejected_by=user.name)
    return _to_station(candidate.station)


def _banks(
    request: Request,
    desk: Desk,
    station: str,
    *,
    fault: str | None = None,
    status: int = 400,
    reason: str = "",
    did: _Did | None = None,
) -> Response:
    place = desk.settings.station(station).bank
    promotion.record(desk.settings, desk.engine, place)
    cases, shelf, here = Cases(desk.engine), Shelf(place), desk.settings.stations_at(place)
    in_use, broken = None, None
    try:
        in_use = _InUse(read_manifest(place), file_sha256(place / "manifest.json"))
    except BankError as error:
        broken = str(error)
    known = {sample.sha256 for sample in in_use.manifest.samples} if in_use else set()
    alarms, moves = cases.false_alarm_digests(station), shelf.moves()
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
        "ancestors": _ancestors(in_use.manifest, shelf) if in_use else (),
        "names": {one.digest: one.id for move in moves for one in (move.before, move.after) if one is not None},
        "moves": tuple(reversed(moves))[:_MOVES],
        "previous": shelf.previous(),
        "candidates": [_settled(desk, one) for one in Candidates(desk.engine).of(station)],
        "alarms": len(alarms),
        "new_alarms": sum(digest not in known for digest in alarms),
        "guard": cases.guarding(*here),
        "unguarded": cases.without_picture(*here),
        "running": rebuilding.is_running(desk.settings, station),
        "fault": fault,
        "reason": reason,
        "did": did,
    }
    page_at = f"/banks?station={station}" if fault else None
    return desk.page(request, "banks.html", status=status if fault else 200, page_at=page_at, **values)


def candidate_page(
    request: Request,
    desk: Desk,
    candidate: Candidate,
    *,
    fault: str | None = None,
    status: int = 400,
    reason: str = "",
    passing: int | None = None,
) -> Response:
    """Its page. fault: what went wrong just now, answered with `status`. reason: what its form says. passing: how many
    confirmed defects would pass, as the guard said just now; None: as its shadow run found.
    """
    place = desk.settings.station(candidate.station).bank
    promotion.record(desk.settings, desk.engine, place)
    candidate = _settled(desk, candidate_or_404(desk, candidate.id))
    awaited = candidate.state in (*RUNNING, *PROMOTABLE)
    found, shadow = candidate.document.get("found"), candidate.document.get("shadow")
    if passing is None:
        passing = len(shadow["missed"]) if shadow else 0
    digest = _in_use(place)
    return desk.page(
        request,
        "candidate.html",
        status=status if fault else 200,
        page_at=f"/banks/candidates/{candidate.id}" if fault else None,
        candidate=candidate,
        promotable=candidate.state in PROMOTABLE,
        rolled_back=_rolled_back(candidate, Shelf(place)),
        in_use=digest,
        no_bank=NO_BANK,
        shadow=shadow,
        may_pass=passing,
        found=found,
        sharing=desk.settings.sharing(candidate.station),
        judged=_judged(found) if found else (),
        moment_of=named_moment,
        time_of=datetime.fromisoformat,
        stale=awaited and digest is not None and digest not in (candidate.base_digest, candidate.digest),
        fault=fault,
        reason=reason,
    )


def _in_use(place: Path) -> str | None:
    """The digest of the bank at a place; None where there is none."""
    try:
        return file_sha256(place / "manifest.json")
    except OSError:
        return None


def _is_in_use(desk: Desk, candidate: Candidate) -> bool:
    return candidate.digest is not None and candidate.digest == _in_use(desk.settings.station(candidate.station).bank)


def _rolled_back(candidate: Candidate, shelf: Shelf) -> Move | None:
    """The exchange that took it out of use; None where it is not rolled back."""
    if candidate.state == "rolled_back":
        for one in reversed(shelf.moves()):
            if one.done and one.action == "rollback" and one.before and one.before.digest == candidate.digest:
                return one
    return None


def _judged(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples to look at, each once: those on which the thresholds rest, then the other suspects."""
    suspects = {one["name"]: one for one in found["suspects"]}
    highest = [{"reasons": [], **suspects.pop(one["name"], {}), **one, "rests": True} for one in found["highest"]]
    return [*highest, *({**one, "rests": False} for one in suspects.values())]


def _settled(desk: Desk, candidate: Candidate) -> Candidate:
    return rebuilding.settled(desk.settings, desk.engine, candidate)


def _ancestors(manifest: Manifest, shelf: Shelf) -> list[tuple[str, Manifest | None]]:
    """The banks that this one came from, nearest first: digest, and the manifest where the shelf still has it."""
    kept, found = shelf.kept(), []
    parent = manifest.lineage.parent
    while parent is not None:
        folder = kept.get(parent)
        before = read_manifest(folder) if folder else None
        found.append((parent, before))
        parent = before.lineage.parent if before else None
    return found


def candidate_or_404(desk: Desk, number: int) -> Candidate:
    """The candidate with this number."""
    found = Candidates(desk.engine).find(number) if 0 < number < MAX_ID else None
    if found is None:
        raise HTTPException(404, f"There is no candidate {number}.")
    return found


def to_candidate(number: int) -> Response:
    """Leads to the page of a candidate."""
    return RedirectResponse(f"/banks/candidates/{number}", status_code=303)


def _to_station(station: str, *, did: _Did | None = None) -> Response:
    return RedirectResponse(f"/banks?station={station}{f'&did={did}' if did else ''}", status_code=303)
