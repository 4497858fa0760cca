"""Candidates for a station's bank: what went into one, its shadow run; promotion."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from inspector.bank import manifest_digest
from inspector.banks import promotion, rebuilding
from inspector.banks.journal import Move
from inspector.banks.promotion import GuardError
from inspector.banks.shelf import NO_BANK, ChangedError, Shelf
from inspector.errors import BankError, EngineError, SamplesError
from inspector.samples.naming import named_moment
from inspector.store import Candidate, Candidates
from inspector.store.candidates import PROMOTABLE
from inspector.store.frame_row import MAX_ID
from inspector.web.access import Engineer
from inspector.web.desk import Desk, DeskDep
from inspector.web.pages.banks import Reason, Seen, Station, banks_page, to_station

router = APIRouter(prefix="/banks", include_in_schema=False)


@router.post("/rebuild")
def rebuild(request: Request, desk: DeskDep, user: Engineer, station: Station) -> Response:
    """Begins a candidate from what operators said, and opens its page."""
    desk.settings.station(station)
    try:
        number = rebuilding.start(desk.settings, desk.engine, station, by=user.name)
    except SamplesError as error:
        return banks_page(request, desk, station, fault=str(error))
    return to_candidate(number)


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
    request: Request, desk: DeskDep, user: Engineer, number: int, seen: Seen = "", reason: Reason = "",
    passing: Annotated[int | None, Form(ge=0)] = None,
) -> Response:  # fmt: skip
    """Takes it into use; the daemon takes it over between two frames. seen: as `roll_back` has it. passing: how many
    confirmed defects pass by what the page told; a reason that was given for these is none for more.
    """
    candidate = _settled(desk, candidate_or_404(desk, number))
    if candidate.state not in PROMOTABLE:
        if candidate.state == "promoted" and _is_in_use(desk, candidate):  # the form was sent twice
            return to_station(candidate.station, did="promoted")
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
            check=partial(_check_promotable, desk, number),
        )
    except ChangedError as error:
        if _is_in_use(desk, candidate):
            return to_station(candidate.station, did="promoted")
        return candidate_page(request, desk, candidate, fault=str(error), status=409, reason=reason)
    except GuardError as error:
        return candidate_page(request, desk, candidate, fault=str(error), reason=reason, passing=len(error.missed))
    except (BankError, EngineError) as error:
        return candidate_page(request, desk, candidate, fault=str(error), reason=reason)
    Candidates(desk.engine).tell(number, state="promoted")
    return to_station(candidate.station, did="promoted")


@router.post("/candidates/{number}/stop")
def stop(desk: DeskDep, user: Engineer, number: int) -> Response:
    """Ends the work on it."""
    candidate = _settled(desk, candidate_or_404(desk, number))
    if candidate.running:
        rebuilding.stop(desk.settings, desk.engine, candidate, by=user.name)
    return to_candidate(number)


@router.post("/candidates/{number}/reject")
def reject(request: Request, desk: DeskDep, user: Engineer, number: int) -> Response:
    """Puts it aside, unless somebody took it into use meanwhile."""
    candidate, store = candidate_or_404(desk, number), Candidates(desk.engine)
    promotion.record(desk.settings, desk.engine, desk.settings.station(candidate.station).bank)
    if not store.tell(number, only_from=(*PROMOTABLE, "failed"), state="rejected", rejected_by=user.name):
        now = _settled(desk, store.get(number))
        if now.state != "rejected":  # else the form was sent twice
            text = f"This candidate is {now.state} by now; it was not put aside. Look at it again, then decide."
            return candidate_page(request, desk, now, fault=text, status=409)
    return to_station(candidate.station)


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
    awaited = candidate.running or candidate.state in PROMOTABLE
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


def _check_promotable(desk: Desk, number: int) -> None:
    """Once more, as the guard may take minutes. Raises ChangedError: it was put aside meanwhile, say."""
    state = Candidates(desk.engine).get(number).state
    if state not in PROMOTABLE:
        raise ChangedError(
            f"candidate {number}: is {state} by now, so it was not taken into use; look at it again, then decide"
        )


def _in_use(place: Path) -> str | None:
    """The digest of the bank at a place; None where there is none."""
    try:
        return manifest_digest(place)
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


def candidate_or_404(desk: Desk, number: int) -> Candidate:
    """The candidate with this number."""
    found = Candidates(desk.engine).find(number) if 0 < number < MAX_ID else None
    if found is None:
        raise HTTPException(404, f"There is no candidate {number}.")
    return found


def to_candidate(number: int) -> Response:
    """Leads to the page of a candidate."""
    return RedirectResponse(f"/banks/candidates/{number}", status_code=303)
