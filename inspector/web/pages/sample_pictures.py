"""Pictures of good samples: each as a browser shows it, and those that an engineer adds from another machine."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from inspector.errors import FrameError, SamplesError
from inspector.samples.folder import LONGEST, FullError
from inspector.samples.naming import named_digest
from inspector.web.access import Engineer
from inspector.web.body import RAW
from inspector.web.desk import Desk, DeskDep
from inspector.web.picture import ASKED_AGAIN, UNCHANGING, Picture

log = logging.getLogger(__name__)

router = APIRouter(prefix="/samples", include_in_schema=False)

_Station = Annotated[str, Query(max_length=260)]
_Name = Annotated[str, Query(max_length=LONGEST)]


@router.get("/picture")
def picture(desk: DeskDep, _user: Engineer, station: _Station, name: _Name) -> Response:
    """A sample in its true size."""
    return _answer(desk, station, name, desk.sample_pictures.picture)


@router.get("/thumbnail")
def thumbnail(desk: DeskDep, _user: Engineer, station: _Station, name: _Name) -> Response:
    """A small one."""
    return _answer(desk, station, name, desk.sample_pictures.thumbnail)


@router.post("/pictures")
async def add_picture(
    request: Request, desk: DeskDep, user: Engineer, station: _Station, name: _Name = ""
) -> dict[str, Any]:
    """Takes the body, if it is a picture that is not there yet. name: that of the file there, for the log."""
    samples = desk.samples(station)
    if request.headers.get("content-type", "").strip().lower() != RAW:
        raise HTTPException(415, f"A picture is sent as {RAW}, as it is.")
    async with desk.sample_pictures.coming:
        data = await request.body()
        try:
            sample = await run_in_threadpool(desk.sample_pictures.take, samples, data)
        except FrameError as error:
            raise HTTPException(422, str(error).removeprefix("frame: ")) from error
        except FullError as error:
            raise HTTPException(409, str(error)) from error
        except SamplesError as error:
            raise HTTPException(507, str(error)) from error
    if sample is not None:
        log.info("sample added", extra={"station": station, "by": user.name, "file": name, "sample": sample})
    return {"taken": sample is not None, "name": sample}


def _answer(desk: Desk, station: str, name: str, read: Callable[[Path], Picture]) -> Response:
    """Browsers keep a picture whose name says what it is of."""
    samples = desk.samples(station)
    try:
        shown = read(samples.path(name))
    except SamplesError as error:
        raise HTTPException(404, str(error)) from error
    except OSError as error:
        raise HTTPException(404, f"sample {name}: cannot be read ({error.strerror})") from error
    headers = ASKED_AGAIN if named_digest(name) is None else UNCHANGING
    return Response(shown.data, media_type=shown.media_type, headers=headers)
