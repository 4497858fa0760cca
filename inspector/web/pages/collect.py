"""Collecting good samples from the running line: begun and stopped on the page of samples, which says how far it is."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from inspector.errors import SamplesError
from inspector.samples import collecting
from inspector.samples.folder import MOST
from inspector.web.access import Engineer
from inspector.web.desk import DeskDep
from inspector.web.pages.samples import Query, how_far, samples_page, to_samples

router = APIRouter(prefix="/samples", include_in_schema=False)


@router.post("/collect")
def collect(
    request: Request,
    desk: DeskDep,
    user: Engineer,
    query: Query,
    count: Annotated[int, Form(ge=1, le=MOST)],
    over_s: Annotated[int, Form(ge=0, le=int(collecting.LONGEST_S))] = 0,
) -> Response:
    """Begins to collect from the running station."""
    station = desk.station_asked(query.station)
    try:
        collecting.start(desk.settings, station, by=user.name, count=count, over_s=float(over_s))
    except SamplesError as error:
        return samples_page(request, desk, query, fault=str(error), count=count, over_s=over_s)
    return to_samples(query)


@router.post("/stop")
def stop(request: Request, desk: DeskDep, user: Engineer, query: Query) -> Response:
    """Ends the collection; what it took stays."""
    try:
        collecting.stop(desk.settings, desk.station_asked(query.station), by=user.name)
    except SamplesError as error:
        return samples_page(request, desk, query, fault=str(error))
    return to_samples(query)


@router.get("/progress")
def progress(desk: DeskDep, _user: Engineer, query: Query) -> dict[str, Any]:
    """How far the collection is, for the page's script."""
    now = collecting.present(desk.samples(desk.station_asked(query.station)))
    if now is None or now.state != "running":
        return {"running": False}
    return {
        "running": True,
        "id": now.id,
        "taken": now.taken,
        "count": now.count,
        "said": how_far(now),
        "trouble": now.trouble,
    }
