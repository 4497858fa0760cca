"""The stream of changes that open pages listen to."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from inspector.web.access import Operator
from inspector.web.desk import DeskDep

router = APIRouter(include_in_schema=False)


@router.get("/live")
async def live(desk: DeskDep, user: Operator) -> StreamingResponse:
    """Server-sent events `queue`: see `inspector.web.live`."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(desk.live.events(user.name), media_type="text/event-stream", headers=headers)
