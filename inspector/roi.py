"""A region of interest: which part of the frame counts, as polygons and mask pictures.

Corners are pixels of the original frame, as crops and the regions of a verdict are, and the region names the size of
the frames it was drawn on: a frame of another size is refused rather than looked at in the wrong place.
"""

import binascii
import hashlib
from base64 import b64decode, b64encode
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inspector import frame as decoder
from inspector.errors import FrameError, RecipeError
from inspector.problem import explain
from inspector.transparency import hidden_in

Side = Annotated[int, Field(ge=8, le=65_535)]
Point = tuple[float, float]

CORNERS = 1000
"""The most corners of one polygon."""

_WHITE = 127
"""Grey levels above it are inside a mask picture."""

_TWO_TONES = 0.75
"""The share of a mask that two of 16 ranges of grey hold at least; of a photo they hold less."""


class Area(BaseModel):
    """One area of the frame: a polygon or a mask picture, exactly one of them.

    polygon: corners (x, y), its edges included. png: base64 of a black-and-white PNG of the frame's size, white inside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    polygon: tuple[Point, ...] | None = None
    png: str | None = Field(default=None, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """Accept a bare list of corners, as recipes have it."""
        if isinstance(value, str):
            raise ValueError(f"got {value!r}; a mask's file is read only from a recipe file or by --mask")
        return {"polygon": value} if isinstance(value, (list, tuple)) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.polygon is None) == (self.png is None):
            raise ValueError("expected the corners of a polygon, [[x, y], ...], or the file of a mask")
        if self.polygon is not None:
            _check_polygon(self.polygon)
        return self

    @classmethod
    def read(cls, file: Path) -> Self:
        """The area that is white in a picture, and not wholly transparent.

        Raises:
            RecipeError: the file cannot be read, is no picture, or is a photo.
        """
        try:
            payload = file.read_bytes()
        except (OSError, ValueError) as error:  # the latter of a name with NUL
            why = error.strerror if isinstance(error, OSError) else error
            raise RecipeError(f"mask {file}: cannot be read ({why}); expected a PNG, white where to look") from error
        try:
            pixels = decoder.decode(payload).pixels
        except FrameError as error:
            raise RecipeError(f"mask {file}: {error}") from error
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        hidden = hidden_in(payload)
        seen = np.ones(grey.shape, bool) if hidden is None or hidden.shape != grey.shape else ~hidden
        tones = np.sort(np.bincount(grey[seen] // 16))
        if tones[-2:].sum() < _TWO_TONES * seen.sum():
            raise RecipeError(
                f"mask {file}: is a picture of many greys, such as a photo of the part; expected one of its size in "
                "black and white, white where to look"
            )
        white = ((grey > _WHITE) & seen).astype(np.uint8) * 255
        encoded = cv2.imencode(".png", white, [cv2.IMWRITE_PNG_BILEVEL, 1])[1]
        return cls(png=b64encode(encoded.tobytes()).decode())

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height of a mask picture, pixels; None for a polygon."""
        if self.png is None:
            return None
        height, width = _white(self.png).shape
        return width, height

    def inside(self, frame_wh: tuple[int, int]) -> NDArray[np.bool_]:
        """Which pixels of a frame of this size lie inside: bool (height, width)."""
        if self.polygon is None:
            return _white(self.png or "")
        drawn = np.zeros(frame_wh[::-1], np.uint8)
        cv2.fillPoly(drawn, [np.rint(self.polygon).astype(np.int32)], 1)
        return drawn.astype(bool)


class Roi(BaseModel):
    """What counts of a frame: the areas to include, or all of it where there are none, without the areas to exclude.

    frame_wh: width and height in pixels of the frames that it was drawn on, and that it fits alone.
    surroundings: whether patches along the border may see what lies beside it. `covered`: nothing outside reaches them.
    `seen`: they see it as it is, so that a part may lie a little elsewhere; what moves there can reach them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_wh: tuple[Side, Side]
    include: tuple[Area, ...] = ()
    exclude: tuple[Area, ...] = ()
    surroundings: Literal["covered", "seen"] = "covered"

    @model_validator(mode="after")
    def _check(self) -> Self:
        width, height = self.frame_wh
        if width * height > decoder.MAX_PIXELS:
            raise ValueError(f"frame_wh: got {width}x{height}, expected at most {decoder.MAX_PIXELS / 1e6:.0f} MP")
        for kind, areas in (("include", self.include), ("exclude", self.exclude)):
            for number, area in enumerate(areas):
                _check_fits(f"{kind}[{number}]", area, self.frame_wh)
        if not self.inside().any():
            raise ValueError("nothing is left to look at; expected areas that include more than they exclude")
        return self

    @classmethod
    def read_mask(cls, file: Path) -> Self:
        """What is white in a picture of the frames' size.

        Raises:
            RecipeError: the file cannot be read, is no picture, is a photo, has no white pixel, or is not of a frame's
                size.
        """
        area = Area.read(file)
        if not area.inside(area.size_wh or (0, 0)).any():
            raise RecipeError(
                f"mask {file}: no pixel of it is white, so nothing is left to look at; expected white where to look"
            )
        try:
            return cls.model_validate({"frame_wh": area.size_wh, "include": (area,)})
        except ValidationError as error:
            why = "; ".join(explain(one, cls) for one in error.errors())
            raise RecipeError(f"mask {file}: {why}") from error

    def __str__(self) -> str:
        """A short description, the same for regions that leave the same pixels and treat their surroundings alike."""
        inside, (width, height) = self.inside(), self.frame_wh
        digest = hashlib.sha256(np.packbits(inside).tobytes()).hexdigest()
        seen = ", surroundings seen" if self.surroundings == "seen" else ""
        return f"{inside.mean():.1%} of {width}x{height} pixels, {digest[:12]}{seen}"

    def inside(self) -> NDArray[np.bool_]:
        """Which pixels of the frame count: bool (height, width)."""
        counts = np.full(self.frame_wh[::-1], not self.include)
        for area in self.include:
            counts |= area.inside(self.frame_wh)
        for area in self.exclude:
            counts &= ~area.inside(self.frame_wh)
        return counts


def read_files(written: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The region as a recipe file has it, with its masks read; their names are relative to the recipe's folder.

    Without `frame_wh` the size is that of the first mask.

    Raises:
        RecipeError: a mask cannot be read.
    """
    read = dict(written)
    for kind in ("include", "exclude"):
        if isinstance(read.get(kind), list):
            read[kind] = [Area.read(folder / item) if isinstance(item, str) else item for item in read[kind]]
            sizes = [item.size_wh for item in read[kind] if isinstance(item, Area)]
            if sizes:
                read.setdefault("frame_wh", sizes[0])
    return read


@lru_cache(maxsize=4)  # a byte for each pixel of a frame
def _white(png: str) -> NDArray[np.bool_]:
    """Where a mask picture is white: bool (height, width), not to be written to. To read a recipe asks a dozen times.

    Raises:
        ValueError: it does not decode.
    """
    try:
        pixels = decoder.decode(b64decode(png, validate=True)).pixels
    except (binascii.Error, FrameError) as error:
        raise ValueError(f"its mask does not decode ({error})") from error
    white = np.asarray(pixels[..., 0] > _WHITE)
    white.flags.writeable = False
    return white


def _check_fits(name: str, area: Area, frame_wh: tuple[int, int]) -> None:
    width, height = frame_wh
    if area.size_wh and area.size_wh != frame_wh:
        got = "{}x{}".format(*area.size_wh)
        raise ValueError(f"{name}: the mask is {got} pixels, the frames are {width}x{height}; expected the same size")
    for x, y in area.polygon or ():
        if not (0 <= x <= width and 0 <= y <= height):
            raise ValueError(
                f"{name}: corner ({x:g}, {y:g}) lies outside the frame; expected x from 0 to {width} and y from 0 "
                f"to {height}, pixels"
            )


def _check_polygon(polygon: tuple[Point, ...]) -> None:
    if not 3 <= len(polygon) <= CORNERS:
        raise ValueError(f"got a polygon of {len(polygon)} corners, expected 3 to {CORNERS}")
    corners = np.array(polygon)
    if not np.isfinite(corners).all():
        raise ValueError("got a corner that is no finite number")
    following = np.roll(corners, -1, 0)
    apart = (corners != following).any(1)
    corners, following = corners[apart], following[apart]
    crossing = np.argwhere(_crossings(corners, following))
    if len(crossing):
        first, second = (f"({corners[i][0]:g}, {corners[i][1]:g})" for i in crossing[0])
        raise ValueError(
            f"the edges that begin at {first} and at {second} cross; expected a polygon that does not cross itself: "
            "give its corners in order, or make two of it"
        )
    if abs(_cross(corners, following).sum()) < 2:
        raise ValueError("got a polygon without area; expected corners that do not lie on one line")


def _crossings(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of n edges, from start to end, float64 (n, 2) each, meet an edge that is not their neighbour.

    Returns: bool (n, n), True only above the diagonal.
    """
    along = end - start
    from_start = _cross(along[:, None], start[None] - start[:, None])
    from_end = _cross(along[:, None], end[None] - start[:, None])
    straddles = from_start * from_end <= 0  # edge i's line separates the ends of edge j, or touches one
    low, high = np.minimum(start, end), np.maximum(start, end)
    near = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(2)
    number = len(start)
    apart = np.abs(np.arange(number)[:, None] - np.arange(number))
    others = np.triu((apart > 1) & (apart < number - 1))
    crossing: NDArray[np.bool_] = straddles & straddles.T & near & others
    return crossing


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
