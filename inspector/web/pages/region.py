"""Where to look: a region of interest drawn over a station's samples, for its next bank."""

import hashlib
import threading
from collections import Counter
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from inspector.errors import RecipeError, SamplesError
from inspector.recipe import Recipe
from inspector.roi import Roi
from inspector.samples.folder import SampleFolder
from inspector.samples.sizes import Size, most_frequent, sizes_wh
from inspector.web.access import Engineer
from inspector.web.desk import DeskDep
from inspector.web.drawing import Drawing, Kind, MaskGoneError, masks_of
from inspector.web.region import stencil
from inspector.window import frame_counts

router = APIRouter(prefix="/samples/region", include_in_schema=False)

_TURN = threading.Lock()
"""Between the look whether somebody else saved and the writing nobody else saves."""

_KEPT = {"cache-control": "private, max-age=3600"}
_COLOURS: dict[Kind, tuple[int, int, int]] = {"include": (0, 0, 0), "exclude": (255, 255, 255)}
"""Of mask pictures in the page's own mask: white is dimmed, black is seen as it is."""

_CHANGED = (
    "Somebody changed where to look at this station meanwhile. Nothing was saved, and what you drew is still here."
)

_Station = Annotated[str, Query(max_length=260)]


class SentDrawing(Drawing):
    """seen: the digest of the recipe that the page was opened on."""

    station: str
    seen: str


@router.get("")
def show_region(request: Request, desk: DeskDep, _user: Engineer, station: _Station = "") -> Response:
    """The drawing over the samples of a station; the first of the settings where none is named."""
    station = desk.station_asked(station)
    samples = desk.samples(station)
    values: dict[str, Any] = {"station": station, "back": f"/samples?{urlencode({'station': station})}", "broken": None}
    sizes = sizes_wh(samples)
    frame_wh = most_frequent(sizes)
    try:
        seen = _digest(samples)
        recipe = samples.recipe()
    except RecipeError as error:
        return desk.page(request, "region.html", **(values | {"broken": str(error)}), frame_wh=None)
    if frame_wh is None:
        return desk.page(request, "region.html", **values, frame_wh=None)
    fits = _fits(recipe, frame_wh)
    return desk.page(
        request,
        "region.html",
        **values,
        frame_wh=frame_wh,
        seen=seen,
        names=[name for name, size in sizes.items() if size == frame_wh],
        others=Counter(size for size in sizes.values() if size != frame_wh).most_common(),
        foreign=None if fits or recipe.roi is None else recipe.roi.frame_wh,
        crop=recipe.crop,
        drawing=Drawing.of(recipe.roi if fits else None, frame_wh).model_dump_json(exclude_none=True),
    )


@router.get("/mask")
def mask(
    desk: DeskDep,
    _user: Engineer,
    station: _Station,
    kind: Kind,
    mask: Annotated[str, Query(pattern="^[0-9a-f]{64}$")],
) -> Response:
    """A mask picture of the station's recipe, transparent outside, in the colour that the page's own mask takes."""
    region = desk.samples(station).recipe().roi
    area = masks_of(region).get(mask)
    if region is None or area is None:
        raise HTTPException(404, "This mask picture is no longer in the recipe.")
    drawn = stencil(area.inside(region.frame_wh), _COLOURS[kind])
    return Response(drawn, media_type="image/png", headers=_KEPT)


@router.post("")
def save(desk: DeskDep, _user: Engineer, sent: SentDrawing) -> Response:
    """Takes what was drawn for the next calibration; without any area the whole frame counts.

    Answers what is in the recipe now: `seen`, and `share` of the frame that counts. Where somebody else saved
    meanwhile, 409 with `error`, and the same of what is there now with its drawing `saved`: one of the two is chosen.
    """
    samples = desk.samples(sent.station)
    if sent.frame_wh not in sizes_wh(samples).values():
        got = "{}x{}".format(*sent.frame_wh)
        raise SamplesError(f"no sample of this station is {got} pixels any more; reload the page and draw again")
    with _TURN:
        if _digest(samples) != sent.seen:
            return JSONResponse(_saved_meanwhile(samples, sent.frame_wh), status_code=409)
        try:
            samples.look_at(sent.region(masks_of(samples.recipe().roi)))
        except MaskGoneError as error:
            return JSONResponse({"error": str(error)}, status_code=409)
        return JSONResponse({"seen": _digest(samples), "share": _share(samples.recipe(), sent.frame_wh)})


def _saved_meanwhile(samples: SampleFolder, frame_wh: Size) -> dict[str, Any]:
    """saved: None where it is for frames of another size, which cannot be shown on these."""
    try:
        seen, recipe = _digest(samples), samples.recipe()
    except RecipeError as error:
        return {"error": f"{_CHANGED} {error}"}
    if not _fits(recipe, frame_wh):
        got = "{}x{}".format(*recipe.roi.frame_wh) if recipe.roi else ""
        return {"error": f"{_CHANGED} What was saved is for frames of {got} pixels.", "seen": seen, "saved": None}
    drawing = Drawing.of(recipe.roi, frame_wh).model_dump(exclude_none=True)
    return {"error": _CHANGED, "seen": seen, "saved": drawing, "share": _share(recipe, frame_wh)}


def _fits(recipe: Recipe, frame_wh: Size) -> bool:
    return recipe.roi is None or recipe.roi.frame_wh == frame_wh


def _digest(samples: SampleFolder) -> str:
    """Of the recipe as it is on disk; empty: there is none."""
    try:
        return hashlib.sha256(samples.recipe_file.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise RecipeError(f"recipe {samples.recipe_file}: cannot be read ({error.strerror})") from error


def _share(recipe: Recipe, frame_wh: Size) -> float:
    """How much of a frame counts, a crop regarded."""
    whole = recipe if recipe.roi else recipe.model_copy(update={"roi": Roi(frame_wh=frame_wh)})
    counts = frame_counts(whole)
    return 1.0 if counts is None else float(counts.mean())
