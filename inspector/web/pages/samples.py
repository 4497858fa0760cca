"""Samples: the page of a station's good parts, to look through them and leave out what is not good."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi import Query as InQuery
from fastapi.responses import RedirectResponse
from pydantic import Field

from inspector.banks import rebuilding
from inspector.charts.wording import span
from inspector.errors import BankError, RecipeError, SamplesError, StoreError
from inspector.folder import CONTENT_TYPES
from inspector.manifest import read_manifest
from inspector.samples import collecting
from inspector.samples.asked import Asked
from inspector.samples.collection import Collection
from inspector.samples.enough import MINIMUM, samples_needed
from inspector.samples.folder import MOST, Sample, SampleFolder
from inspector.samples.naming import DIGEST, named_digest, named_moment
from inspector.store import Candidate, Candidates, Cases, Role
from inspector.web.access import Engineer
from inspector.web.address import AddressQuery, Text
from inspector.web.desk import Desk, DeskDep, without_empty_fields
from inspector.web.message import Message
from inspector.web.navigation import NavEntry
from inspector.window import frame_counts

log = logging.getLogger(__name__)

NAV = NavEntry("/samples", Message("Samples"), Role.ENGINEER)
PAGE = 60
"""Pictures on one page."""

COUNT = 300
TIMES = ((0, "as they come"), (1800, "30 minutes"), (3600, "1 hour"), (8 * 3600, "8 hours"), (24 * 3600, "24 hours"))
"""Over which time they may be spread, seconds, and how the page says it."""

_LOTS_SHOWN = 6

router = APIRouter(prefix="/samples", include_in_schema=False)

_Names = Annotated[list[str], Form(max_length=MOST)]
_Did = Literal["left_out", "taken_back", "deleted", "taken"]


class SamplesQuery(AddressQuery):
    """Which samples are looked at."""

    station: Text = None
    show: Literal["used", "left_out"] = "used"
    page: int = Field(default=1, ge=1, le=MOST)


Query = Annotated[SamplesQuery, InQuery()]


@dataclass(frozen=True, slots=True)
class _Contents:
    """What lies in a station's folder. first, last: times in the names of those in use."""

    used: Sequence[Sample]
    left_out: Sequence[Sample]
    first: datetime | None
    last: datetime | None

    @property
    def mb(self) -> float:
        """Of those in use."""
        return sum(one.size for one in self.used) / 1e6

    @property
    def left_out_digest(self) -> str:
        """Another one wherever other pictures are left out: sha256 of their names, hex."""
        return hashlib.sha256("\n".join(one.name for one in self.left_out).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Part:
    """One page of pictures. offset: how many come before."""

    samples: Sequence[Sample]
    offset: int
    number: int
    pages: int
    of: int


@router.get("")
def show_samples(
    request: Request,
    desk: DeskDep,
    _user: Engineer,
    query: Query,
    did: _Did | None = None,
    number: Annotated[int, InQuery(ge=0, le=MOST)] = 0,
) -> Response:
    """The samples of a station. did, number: what the same person did just now, to how many."""
    if (cleared := without_empty_fields(request, query)) is not None:
        return cleared
    return samples_page(request, desk, query, did=did, number=number)


@router.post("/leave_out")
def leave_out(request: Request, desk: DeskDep, user: Engineer, query: Query, name: _Names = []) -> Response:  # noqa: B006
    """No calibration takes these any more."""
    return _move(request, desk, user.name, query, name, "left_out")


@router.post("/take_back")
def take_back(request: Request, desk: DeskDep, user: Engineer, query: Query, name: _Names = []) -> Response:  # noqa: B006
    """These are samples again."""
    return _move(request, desk, user.name, query, name, "taken_back")


@router.post("/remove")
def remove(
    request: Request, desk: DeskDep, user: Engineer, query: Query, seen: Annotated[str, Form(max_length=64)]
) -> Response:
    """Deletes what was left out. seen: the digest of those that were so when the page was made."""
    station = desk.station_asked(query.station)
    samples = desk.samples(station)
    try:
        contents = _contents(samples)
        if contents.left_out_digest != seen:
            text = "Others are left out now: somebody changed it meanwhile. Look at them again, then delete."
            return samples_page(request, desk, query, fault=text, status=409)
        gone = samples.remove(contents.left_out)
    except SamplesError as error:
        return samples_page(request, desk, query, fault=str(error))
    log.info("samples deleted", extra={"station": station, "by": user.name, "number": gone})
    return to_samples(query, did="deleted", number=gone)


@router.post("/take")
def take(request: Request, desk: DeskDep, user: Engineer, query: Query) -> Response:
    """What operators called good are samples too, each once; what was left out stays so."""
    station = desk.station_asked(query.station)
    samples, taken, gone = desk.samples(station), 0, 0
    try:
        known = samples.digests()
        for row in Cases(desk.engine).good(station, limit=MOST):
            if row.sha256[:DIGEST] in known:
                continue
            try:
                payload = desk.archive.read(row.sha256, row.image or "")
            except StoreError:
                gone += 1
            else:
                taken += samples.add(payload, row.captured_at or row.received_at) is not None
    except SamplesError as error:
        return samples_page(request, desk, query, fault=f"{error}; {taken} were taken")
    log.info("samples taken from the review", extra={"station": station, "by": user.name, "number": taken})
    if gone:
        text = f"{taken} were taken. Of {gone} more the picture cannot be read: was it removed by hand?"
        return samples_page(request, desk, query, fault=text, status=409)
    return to_samples(query, did="taken", number=taken)


def _move(
    request: Request,
    desk: Desk,
    by: str,
    query: SamplesQuery,
    names: Sequence[str],
    did: Literal["left_out", "taken_back"],
) -> Response:
    station = desk.station_asked(query.station)
    if not names:
        return samples_page(request, desk, query, fault="Nothing was ticked: tick the pictures that are meant.")
    samples = desk.samples(station)
    try:
        moved = samples.leave_out(names) if did == "left_out" else samples.take_back(names)
    except SamplesError as error:
        return samples_page(request, desk, query, fault=str(error))
    log.info(
        "samples left out" if did == "left_out" else "samples taken back",
        extra={"station": station, "by": by, "number": moved},
    )
    return to_samples(query, did=did, number=moved)


def samples_page(
    request: Request, desk: Desk, query: SamplesQuery, *, status: int = 400, fault: str | None = None,
    did: _Did | None = None, number: int = 0, count: int = COUNT, over_s: int = 8 * 3600, asked: Asked | None = None,
) -> Response:  # fmt: skip
    """The page. fault: what went wrong just now, answered with `status`. count, over_s, asked: what its forms ask for;
    asked None: of a calibration what the bank in use allows.
    """
    station = desk.station_asked(query.station)
    query = query.model_copy(update={"station": station})
    samples = desk.samples(station)
    now, trouble = None, fault
    try:
        now = collecting.present(samples)
    except SamplesError as error:
        trouble = fault or str(error)
    try:
        contents = _contents(samples)
    except SamplesError as error:
        contents, trouble = _Contents((), (), None, None), fault or str(error)
    known = {digest for one in (*contents.used, *contents.left_out) if (digest := named_digest(one.name)) is not None}
    return desk.page(
        request,
        "samples.html",
        status=status if fault else 200,
        station=station,
        stations=desk.settings.station_names,
        query=query,
        fault=trouble,
        did=did,
        number=number,
        contents=contents,
        said_good=sum(digest[:DIGEST] not in known for digest in Cases(desk.engine).good_digests(station, limit=MOST)),
        part=_part(contents.left_out if query.show == "left_out" else contents.used, query.page),
        moment_of=named_moment,
        now=now,
        said=how_far(now) if now else None,
        lots=_lots(now) if now else None,
        count_chosen=count,
        over_chosen=over_s,
        times=TIMES,
        most=MOST,
        suffixes=",".join(CONTENT_TYPES),
        looks_at=_looks_at(samples),
        made=_last_made(desk, station),
        calibration=asked or _as_in_use(desk, station),
        needed=[(f"{share:g}", samples_needed(share / 100)) for share in (0.5, 1, 2)],
        minimum=MINIMUM,
    )


def _contents(samples: SampleFolder) -> _Contents:
    every = samples.samples()
    used = [one for one in every if not one.left_out]
    times = sorted(moment for one in used if (moment := named_moment(one.name)) is not None)
    left_out = [one for one in every if one.left_out]
    return _Contents(used, left_out, times[0] if times else None, times[-1] if times else None)


def _part(samples: Sequence[Sample], page: int) -> _Part:
    """The page that is asked for; the last one where it is no longer there."""
    pages = max(1, -(-len(samples) // PAGE))
    number = min(page, pages)
    offset = (number - 1) * PAGE
    return _Part(samples[offset : offset + PAGE], offset, number, pages, len(samples))


def _last_made(desk: Desk, station: str) -> Candidate | None:
    """The newest candidate of the station, of whatever kind."""
    found = Candidates(desk.engine).of(station, limit=1)
    return rebuilding.settled(desk.settings, desk.engine, found[0]) if found else None


def _as_in_use(desk: Desk, station: str) -> Asked:
    """What the next calibration is asked, with the budget of the bank in use where there is one."""
    try:
        return Asked(read_manifest(desk.settings.station(station).bank).calibration.promise.max_false_reject)
    except BankError:
        return Asked()


def _looks_at(samples: SampleFolder) -> str:
    """Where the next bank looks, in a few words."""
    try:
        recipe = samples.recipe()
        counts = frame_counts(recipe)
    except RecipeError as error:
        return str(error)
    if counts is not None:
        return f"{counts.mean():.0%} of the frame"
    crop = recipe.crop
    return f"{crop.width}×{crop.height} pixels from {crop.x}, {crop.y} on" if crop else "the whole frame"


def how_far(now: Collection) -> str:
    """How far a collection is, in one line."""
    taken = f"{now.taken} of {now.count} samples"
    if now.state != "running":
        return taken
    if now.due is None:
        return f"{taken}, connecting to the broker"
    left_s = (now.due - datetime.now(UTC)).total_seconds()
    return f"{taken}, the next in {span(left_s)}" if left_s >= 1 else f"{taken}, waiting for a frame"


def _lots(now: Collection) -> str | None:
    """The lots that the samples are of; None: the camera names none."""
    named = list(now.lots.items())
    others = len(named) - _LOTS_SHOWN + now.other_lots if len(named) > _LOTS_SHOWN else now.other_lots
    said = [f"{lot} ({number})" for lot, number in named[:_LOTS_SHOWN]]
    if others:
        said.append(f"{others} more")
    return ", ".join(said) or None


def to_samples(query: SamplesQuery, *, did: _Did | None = None, number: int = 0) -> Response:
    """To the page that the form was on."""
    asked = query.text()
    if did is None:
        return RedirectResponse(f"/samples?{asked}", status_code=303)
    return RedirectResponse(f"/samples?{asked}&did={did}&number={number}#pictures", status_code=303)
