"""Calibrating from a station's samples: a candidate is made and looked at; what is no good sample goes, and again."""

import logging
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import Field

from inspector.banks import rebuilding
from inspector.errors import SamplesError
from inspector.samples.asked import Asked
from inspector.samples.folder import MOST
from inspector.web.access import Engineer, User
from inspector.web.desk import Desk, DeskDep
from inspector.web.pages.candidates import candidate_or_404, candidate_page, to_candidate
from inspector.web.pages.samples import Query, samples_page

log = logging.getLogger(__name__)
router = APIRouter(prefix="/samples", include_in_schema=False)

_Percent = Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]


@router.post("/calibrate")
def calibrate(
    request: Request,
    desk: DeskDep,
    user: Engineer,
    query: Query,
    budget: Annotated[_Percent, Form()],
    larger: Annotated[bool, Form()] = False,
    finetune: Annotated[bool, Form()] = False,
    exclude_suspects: Annotated[bool, Form()] = False,
) -> Response:
    """Begins a candidate from the samples. budget: of good parts that may be rejected, percent."""
    asked = Asked(budget / 100, larger=larger, finetune=finetune, exclude_suspects=exclude_suspects)
    try:
        return _begun(desk, user, desk.station_asked(query.station), asked)
    except SamplesError as error:
        return samples_page(request, desk, query, fault=str(error), asked=asked)


@router.post("/again")
def again(
    request: Request,
    desk: DeskDep,
    user: Engineer,
    candidate: Annotated[int, Form()],
    name: Annotated[list[str], Form(max_length=MOST)] = [],  # noqa: B006
) -> Response:
    """Leaves samples out, and calibrates as the candidate was. name: of each sample that is no good one."""
    row = candidate_or_404(desk, candidate)
    if "asked" not in row.document:
        return candidate_page(request, desk, row, fault="This candidate was not calibrated from samples.")
    if not name:
        return candidate_page(request, desk, row, fault="Nothing was ticked: tick the samples that are no good ones.")
    if rebuilding.is_running(desk.settings, row.station):  # asked first: nothing is left out for nothing
        return candidate_page(request, desk, row, fault="Another candidate is being made: wait until that is done.")
    try:
        moved = desk.samples(row.station).leave_out(name)
        log.info("samples left out", extra={"station": row.station, "by": user.name, "number": moved})
        return _begun(desk, user, row.station, Asked.of(row.document["asked"]))
    except SamplesError as error:
        return candidate_page(request, desk, row, fault=str(error))


def _begun(desk: Desk, user: User, station: str, asked: Asked) -> Response:
    number = rebuilding.start_calibration(desk.settings, desk.engine, station, asked, by=user.name)
    log.info("calibration begun", extra={"station": station, "by": user.name, "candidate": number})
    return to_candidate(number)
