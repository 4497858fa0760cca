"""One frame: its picture with the anomaly map, why it was flagged, and what was decided about it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from inspector.review.shifts import shift_at
from inspector.store import FrameRow
from inspector.store.frame_row import MAX_ID
from inspector.web.absence import GONE, placeholder
from inspector.web.access import Operator, Viewer
from inspector.web.desk import BY_LANGUAGE, Desk, DeskDep
from inspector.web.evidence import GoneError, PictureGoneError, Why
from inspector.web.filters import QueueQuery
from inspector.web.message import Message, said
from inspector.web.picture import ASKED_AGAIN, UNCHANGING, Picture
from inspector.web.sight import Sight, marks

router = APIRouter(include_in_schema=False)

_Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
_OTHER = Message("Another frame has this number now: the ledger was restored from a backup. Go back to the queue.")

_Of = Annotated[str | None, Query(max_length=64, description="the result_id of the frame that is meant")]


@router.get("/frame/{frame}")
def show_frame(
    request: Request, desk: DeskDep, _user: Operator, frame: int, query: Annotated[QueueQuery, Query()]
) -> Response:
    """The page; its script goes from frame to frame by `panel`."""
    row = frame_or_404(desk, frame)
    return desk.page(request, "frame.html", **_panel(desk, row, query))


@router.get("/frame/{frame}/panel")
def show_panel(
    request: Request, desk: DeskDep, _user: Operator, frame: int, query: Annotated[QueueQuery, Query()]
) -> Response:
    """What the page shows of one frame, alone."""
    row = frame_or_404(desk, frame)
    return desk.page(request, "frame_panel.html", **_panel(desk, row, query))


@router.get("/frame/{frame}/picture")
def picture(request: Request, desk: DeskDep, _user: Operator, frame: int, of: _Of = None) -> Response:
    """The archived picture, or a placeholder that says why there is none."""
    return _picture(request, desk, frame, of, desk.evidence.picture)


@router.get("/frame/{frame}/thumbnail")
def thumbnail(request: Request, desk: DeskDep, _user: Viewer, frame: int, of: _Of = None) -> Response:
    """A small one, regions drawn in; or a placeholder."""
    return _picture(request, desk, frame, of, desk.evidence.thumbnail)


@router.get("/frame/{frame}/map")
def anomaly_map(desk: DeskDep, _user: Operator, frame: int, of: _Of = None) -> Response:
    """The coloured anomaly map over the inspected rectangle, with transparency."""
    return _answer(Picture(desk.evidence.why(frame_or_404(desk, frame, of)).map_png, "image/png"), of)


@router.get("/frame/{frame}/nearest")
def nearest(request: Request, desk: DeskDep, _user: Operator, frame: int, of: _Of = None) -> Response:
    """Beside each flagged patch its nearest patches of the bank, and where the map lies over the frame."""
    row = frame_or_404(desk, frame, of)
    try:
        why: Why | None = desk.evidence.why(row)
        gone: Message | None = None
    except PictureGoneError:
        why, gone = None, Message("Without the picture nobody can say why this frame was flagged.")
    except GoneError as error:
        why, gone = None, Message("%(why)s The picture is shown alone.", why=said(error))
    sight = None if why is None else Sight.of(why)
    return desk.page(request, "nearest.html", row=row, sight=sight, gone=gone)


@router.get("/bank-sample/{digest}/{number}")
def sample(desk: DeskDep, _user: Operator, digest: _Digest, number: int) -> Response:
    """The thumbnail of a sample of the bank with this manifest digest."""
    return _answer(desk.evidence.sample(digest, number), digest)


@router.get("/bank-region/{digest}/{part}")
def region(desk: DeskDep, _user: Operator, digest: _Digest, part: Literal["outside", "border"]) -> Response:
    """What the bank leaves out of a frame, or the edge of that, to lie over the frame."""
    found = desk.evidence.region(digest)
    if found is None:
        raise HTTPException(404, Message("This bank has no region of interest: all of the frame counts."))
    return _answer(Picture(found.outside_png if part == "outside" else found.border_png, "image/png"), digest)


def frame_or_404(desk: Desk, frame: int, of: str | None = None) -> FrameRow:
    """The frame with this id; 404 where there is none, or where it is not the one with the result_id `of`.

    A ledger that was restored from a backup gives the numbers of later frames again, to others.
    """
    row = _find(desk, frame)
    if row is None:
        raise HTTPException(404, _no_frame(frame))
    if of not in (None, row.result_id):
        text = Message("Frame %(frame)s is another one now: the ledger was restored from a backup.", frame=frame)
        raise HTTPException(404, text)
    return row


def _no_frame(frame: int) -> Message:
    return Message(
        "There is no frame %(frame)s: it has had its time and was removed, or has no verdict.",
        frame=frame,
    )


def _find(desk: Desk, frame: int) -> FrameRow | None:
    return desk.queue.frame(frame) if 0 < frame < MAX_ID else None


def _panel(desk: Desk, row: FrameRow, query: QueueQuery) -> dict[str, Any]:
    before, after = desk.queue.neighbours(row, query.filter(desk.settings.review))
    try:
        size_wh, gone = desk.evidence.size_wh(row), None
    except GoneError as error:
        size_wh, gone = None, said(error)
    return {
        "row": row,
        "verdict": row.verdict,
        "size_wh": size_wh,
        "gone": gone,
        "has_region": _has_region(desk, row),
        "marks": marks(row),
        "before": before,
        "after": after,
        "link": query.text(),
        "query": query,
        "history": desk.reviews.history(row.id) if row.version else (),
        "shift": shift_at(row.received_at, desk.settings.review.shifts, desk.settings.review.zone),
        "offset": datetime.now(desk.settings.review.zone).utcoffset() or timedelta(),
    }


def _has_region(desk: Desk, row: FrameRow) -> bool:
    """Whether the bank of that time left part of the frame out, as far as it is still known."""
    try:
        return row.bank_digest is not None and desk.evidence.region(row.bank_digest) is not None
    except GoneError:
        return False


def _picture(request: Request, desk: Desk, frame: int, of: str | None, read: Callable[[FrameRow], Picture]) -> Response:
    """For a page that expects a picture: it gets one in any case."""
    row = _find(desk, frame)
    try:
        if row is None:
            raise PictureGoneError(GONE)
        if of not in (None, row.result_id):
            raise PictureGoneError(_OTHER)
        return _answer(read(row), of)
    except PictureGoneError as error:
        why = desk.language(request).text(said(error))
        return Response(placeholder(why), media_type="image/svg+xml", headers=BY_LANGUAGE)


def _answer(picture: Picture, of: str | None) -> Response:
    """Browsers keep a picture whose address says what it is of; a number alone may be another frame's tomorrow."""
    return Response(picture.data, media_type=picture.media_type, headers=UNCHANGING if of else ASKED_AGAIN)
