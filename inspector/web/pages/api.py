"""The API for machines and for the pages' own scripts: a bearer token, or the session with its CSRF token."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from inspector.store import BatchResult, Cursor, Disposition
from inspector.store.statement import MAX_NOTE
from inspector.web import documents
from inspector.web.access import Operator, Viewer
from inspector.web.desk import Desk, DeskDep
from inspector.web.filters import QueueQuery
from inspector.web.pages.frame import frame_or_404

router = APIRouter(prefix="/api/v1", tags=["review"])

_QUICKER: dict[int | str, dict[str, Any]] = {409: {"model": documents.Conflict, "description": "Somebody was quicker"}}

_Text = Annotated[str | None, Field(max_length=2000)]
_Note = Annotated[
    str | None,
    Field(description="in one's own words", json_schema_extra={"maxLength": MAX_NOTE}),  # the store says what is wrong
]


class QueuePlace(QueueQuery):
    """A filter, where to go on, and how many frames."""

    after: str | None = Field(default=None, description="`next` of the page before")
    limit: int = Field(default=50, ge=1, le=500)


class Version(BaseModel):
    """Of the frame as it was seen. result_id: of its verdict; where it is given, no other frame with this id is meant,
    as a ledger that was restored from a backup may have.
    """

    version: int = Field(ge=0)
    result_id: str | None = Field(default=None, max_length=64)


class Decision(Version):
    """What somebody says about a frame."""

    to: Disposition
    defect_type: _Text = None
    note: _Note = None


class Escape(Version):
    """A frame that passed as ok was a defect."""

    defect_type: _Text = None
    note: _Note = None


class Seen(Version):
    """A frame of a selection."""

    id: int = Field(ge=1)


class BatchDecision(BaseModel):
    """One decision about several frames. batch: what it is to be taken back by; whoever may repeat it names one."""

    frames: list[Seen] = Field(min_length=1, max_length=1000)
    to: Disposition
    defect_type: _Text = None
    note: _Note = None
    batch: UUID | None = None


@router.get("/me", summary="Who asks")
def me(user: Viewer) -> dict[str, str]:
    """Name and role; the CSRF token that requests of this session must carry."""
    return {"name": user.name, "role": user.role.value, "csrf": user.csrf}


@router.get("/frames", summary="Frames of the queue, page by page")
def frames(desk: DeskDep, _user: Operator, place: Annotated[QueuePlace, Query()]) -> dict[str, Any]:
    """Go on with `after=` the page's `next` until that is null."""
    after = None if place.after is None else Cursor.decode(place.after)
    page = desk.queue.page(place.filter(desk.settings.review), after, place.limit)
    following = None if page.next is None else page.next.encode()
    return {"frames": [documents.frame(row) for row in page.rows], "next": following}


@router.get("/frames/{frame}", summary="One frame")
def frame(desk: DeskDep, _user: Operator, frame: int) -> dict[str, Any]:
    """Its verdict, and what was decided about it."""
    return documents.frame(frame_or_404(desk, frame))


@router.get("/frames/{frame}/history", summary="All that was said about a frame")
def history(desk: DeskDep, _user: Operator, frame: int) -> list[dict[str, Any]]:
    """Oldest first; never changed afterwards."""
    return [documents.review(row) for row in desk.reviews.history(frame_or_404(desk, frame).id)]


@router.get(
    "/frames/{frame}/picture",
    summary="The archived picture",
    response_class=Response,
    responses={200: {"content": {"image/*": {}}}},
)
def picture(desk: DeskDep, _user: Operator, frame: int) -> Response:
    """As the camera sent it; TIFF as PNG."""
    kept = desk.evidence.picture(frame_or_404(desk, frame))
    return Response(kept.data, media_type=kept.media_type)


@router.post("/frames/{frame}/disposition", summary="Decide a frame", responses=_QUICKER)
def dispose(desk: DeskDep, user: Operator, frame: int, said: Decision) -> dict[str, Any]:
    """409 with `conflict` where somebody decided meanwhile; nothing is overwritten unseen. Safe to repeat."""
    _check_result(desk, frame, said)
    row = desk.reviews.dispose(
        frame, to=said.to, defect_type=said.defect_type, reviewer=user.name, version=said.version, note=said.note
    )
    return documents.frame(row)


@router.post("/frames/{frame}/undo", summary="Take back one's own last decision", responses=_QUICKER)
def undo(desk: DeskDep, user: Operator, frame: int, seen: Version) -> dict[str, Any]:
    """What was said before holds again. Safe to repeat."""
    _check_result(desk, frame, seen)
    return documents.frame(desk.reviews.undo(frame, reviewer=user.name, version=seen.version))


@router.post("/frames/{frame}/escape", summary="Enter an escape", responses=_QUICKER)
def escape(desk: DeskDep, user: Operator, frame: int, said: Escape) -> dict[str, Any]:
    """A frame that passed as ok was a defect, as somebody found out later."""
    _check_result(desk, frame, said)
    row = desk.reviews.escape(
        frame, reviewer=user.name, version=said.version, defect_type=said.defect_type, note=said.note
    )
    return documents.frame(row)


@router.post("/dispositions", summary="Decide several frames alike")
def dispose_many(desk: DeskDep, user: Operator, said: BatchDecision) -> dict[str, Any]:
    """Those that others decided meanwhile are left as they are and listed under `conflicts`; under `unknown` those that
    are not there, or are not the ones that were seen. Safe to repeat.
    """
    mistaken = _mistaken(desk, said.frames)
    selection = [(one.id, one.version) for one in said.frames if one.id not in mistaken]
    result = desk.reviews.dispose_many(
        selection,
        to=said.to,
        defect_type=said.defect_type,
        reviewer=user.name,
        note=said.note,
        batch=None if said.batch is None else str(said.batch),
    )
    result.unknown.extend(sorted(mistaken))
    return _batch(result)


@router.post("/batches/{batch}/undo", summary="Take back a whole batch")
def undo_batch(desk: DeskDep, user: Operator, batch: str) -> dict[str, Any]:
    """But for the frames about which somebody had a further word."""
    return _batch(desk.reviews.undo_batch(batch, reviewer=user.name))


@router.get("/versions", summary="What stands of several frames")
def versions(
    desk: DeskDep, _user: Operator, frame: Annotated[list[int], Query(min_length=1, max_length=100)]
) -> dict[str, list[dict[str, Any]]]:
    """`reviewer`: who decided a frame; null where nobody has. Those that are not there are left out."""
    standing = desk.queue.standing(frame)
    return {"frames": [{"id": one, "version": version, "reviewer": by} for one, (version, by) in standing.items()]}


@router.get("/counts", summary="How many frames wait, by station")
def counts(desk: DeskDep, _user: Operator) -> dict[Literal["open"], dict[str, int]]:
    """Stations where none waits are left out."""
    return {"open": desk.queue.open_counts()}


def _check_result(desk: Desk, frame: int, seen: Version) -> None:
    """404 where this is another frame than the one that was seen."""
    if seen.result_id is not None:
        frame_or_404(desk, frame, seen.result_id)


def _mistaken(desk: Desk, seen: list[Seen]) -> set[int]:
    """Ids under which there is another frame now than the one that was seen."""
    named = {one.id: one.result_id for one in seen if one.result_id is not None}
    known = desk.queue.result_ids(named) if named else {}
    return {frame for frame, result_id in named.items() if known.get(frame, result_id) != result_id}


def _batch(result: BatchResult) -> dict[str, Any]:
    return {
        "batch": result.batch,
        "done": [{"id": row.id, "version": row.version} for row in result.done],
        "conflicts": [documents.conflict(error) for error in result.stale],
        "unknown": result.unknown,
    }
