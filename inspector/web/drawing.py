"""A region of interest as the page draws it: polygons by their corners, mask pictures by their digest.

A mask may be larger than a request: the browser names those of the recipe, and the server has them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspector.errors import RecipeError
from inspector.problem import explain
from inspector.roi import CORNERS, Area, Roi

Kind = Literal["include", "exclude"]

NAMES: Final[Mapping[Kind, str]] = {"include": "Look at", "exclude": "Leave out"}
"""What the page calls the kinds of areas."""

MOST_AREAS: Final = 100
"""Of either kind in one drawing."""

Pixel = Annotated[float, Field(strict=True, ge=0, le=65_535, allow_inf_nan=False)]


class MaskGoneError(Exception):
    """A drawing names a mask picture that the recipe no longer has."""


class DrawnArea(BaseModel):
    """corners: (x, y) in pixels of the frame. mask: sha256 of a mask picture's PNG. Exactly one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corners: Annotated[tuple[tuple[Pixel, Pixel], ...], Field(max_length=CORNERS)] | None = None
    mask: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Drawing(BaseModel):
    """As `Roi`, which says what of it can be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame_wh: tuple[int, int]
    include: Annotated[tuple[DrawnArea, ...], Field(max_length=MOST_AREAS)] = ()
    exclude: Annotated[tuple[DrawnArea, ...], Field(max_length=MOST_AREAS)] = ()
    surroundings: Literal["covered", "seen"] = "covered"

    @classmethod
    def of(cls, region: Roi | None, frame_wh: tuple[int, int]) -> Self:
        """What is there to begin with; nothing is drawn where the region is None."""
        if region is None:
            return cls(frame_wh=frame_wh)
        # Not checked again: a recipe that was written by hand may have more areas than are drawn here.
        return cls.model_construct(
            frame_wh=frame_wh,
            include=tuple(map(_drawn, region.include)),
            exclude=tuple(map(_drawn, region.exclude)),
            surroundings=region.surroundings,
        )

    def region(self, masks: Mapping[str, Area]) -> Roi | None:
        """What was drawn as a region of interest; None: all of the frame counts.

        masks: those of the recipe, as `masks_of` has them.

        Raises:
            RecipeError: there can be no such region; says which area is wrong and why.
            MaskGoneError: it names a mask that is not among them.
        """
        if not (self.include or self.exclude):
            return None
        include = [_area("include", number, area, masks) for number, area in enumerate(self.include, 1)]
        exclude = [_area("exclude", number, area, masks) for number, area in enumerate(self.exclude, 1)]
        try:
            return Roi.model_validate(
                {
                    "frame_wh": self.frame_wh,
                    "include": include,
                    "exclude": exclude,
                    "surroundings": self.surroundings,
                }
            )
        except ValidationError as error:
            raise RecipeError(_why(error)) from error


def masks_of(region: Roi | None) -> dict[str, Area]:
    """The mask pictures of a region by their digest."""
    return {mask: area for area in _areas(region) if (mask := _digest(area)) is not None}


def _areas(region: Roi | None) -> Iterator[Area]:
    if region is not None:
        yield from region.include
        yield from region.exclude


def _digest(area: Area) -> str | None:
    return None if area.png is None else hashlib.sha256(area.png.encode()).hexdigest()


def _drawn(area: Area) -> DrawnArea:
    return DrawnArea(corners=area.polygon, mask=_digest(area))


def _area(kind: Kind, number: int, drawn: DrawnArea, masks: Mapping[str, Area]) -> Area:
    name = f"{NAMES[kind]} {number}"
    if drawn.mask is not None:
        if drawn.mask not in masks:
            raise MaskGoneError(f"{name}: its mask picture is no longer in the recipe.")
        return masks[drawn.mask]
    try:
        return Area(polygon=drawn.corners or ())
    except ValidationError as error:
        raise RecipeError(f"{name}: {_why(error)}") from error


def _why(error: ValidationError) -> str:
    return "; ".join(explain(one, Roi) for one in error.errors())
