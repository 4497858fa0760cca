"""A recipe: how a frame becomes a picture for the backbone, and how patches are compared."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inspector import roi as regions_of_interest
from inspector import yaml_text
from inspector.errors import RecipeError
from inspector.planes import MOST_VECTORS
from inspector.problem import explain
from inspector.roi import Roi

LARGEST: Final = 4096
"""The longest side of a picture, pixels."""

Side = Annotated[int, Field(ge=32, le=LARGEST)]


class Crop(BaseModel):
    """A rectangle of the original frame, in pixels; what lies outside is neither banked nor scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=8)
    height: int = Field(ge=8)


class Recipe(BaseModel):
    """Everything that calibration and line must do alike.

    roi: what of the frame counts; None: all of it, or all of the crop.
    auto: calibration tries larger pictures and the metric on the part; the bank's recipe holds what it chose, not auto.
    size_wh: width and height of the picture that the backbone sees, pixels; it is smaller where whole rows or columns
        of patches lie outside the region of interest.
    layers: names of the backbone's layers, finest first; empty takes the backbone's own (strides 8 and 16).
    pooling: side of the neighbourhood that is averaged around each patch (PatchCore's locally aware features), odd.
    centring: how much of the frame's mean embedding is taken off each of its patches, 0 (nothing) to 1 (all): what the
        whole frame has in common, as its light, counts less.
    whitening: how far the directions in which normal patches spread are evened out, 0 (not at all) to 1 (fully).
        `auto`: calibration finds out on the part whether that helps; the bank's own recipe then says 0 or 1.
    light: by which share the light may change on the line, 0 to 0.6; samples are also banked that much darker and
        brighter.
    shift: by which share of the crop's or whole frame's sides a part may lie off, 0 to 0.2; samples are also banked
        moved that far, with what the frame really shows beside the crop or the region of interest.
    neighbours: k of the k-NN distance; the patch score is the mean distance to the k nearest vectors.
    plane: how many vectors around a vector span the plane through it that distances are taken to; 0: they are taken to
        the vector itself. 32 was the best of those tried.
    vectors: the most vectors that the bank may hold: this bounds the cost of every frame.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    crop: Crop | None = None
    roi: Roi | None = None
    auto: bool = False
    size_wh: tuple[Side, Side] = (256, 256)
    layers: tuple[str, ...] = ()
    pooling: int = Field(default=3, ge=1, le=15)
    centring: float = Field(default=0.5, ge=0, le=1)
    whitening: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = "auto"
    light: float = Field(default=0.0, ge=0, le=0.6)
    shift: float = Field(default=0.0, ge=0, le=0.2)
    neighbours: int = Field(default=1, ge=1, le=50)
    plane: int = Field(default=0, ge=0, le=128)
    vectors: int = Field(default=2048, ge=16, le=1_000_000)

    @property
    def power(self) -> float:
        """The whitening that was chosen, 0 to 1.

        Raises:
            RecipeError: it is still to be chosen.
        """
        if self.whitening == "auto":
            raise RecipeError(f"recipe {self.name}: whitening: got auto, expected 0 to 1; a bank's recipe says which")
        return self.whitening

    def in_words(self) -> str:
        """How frames are looked at, in a line: what is usual, and of all else what differs from the default."""
        width, height = self.size_wh
        crop, metric = self.crop, self.whitening
        said = (
            f"{width}x{height}, pooling {self.pooling}, {self.neighbours}-NN",
            crop and f"crop {crop.width}x{crop.height} at ({crop.x}, {crop.y})",
            self.centring != Recipe.model_fields["centring"].default and f"centring {self.centring:g}",
            metric not in ("auto", 0) and f"whitening {metric:g}",
            self.light and f"light {self.light:g}",
            self.shift and f"shift {self.shift:g}",
            self.plane and f"planes of {self.plane}",
        )
        return ", ".join(each for each in said if each)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pooling % 2 == 0:
            raise ValueError(f"pooling: got {self.pooling}, expected an odd number of patches")
        if self.neighbours > self.vectors:
            raise ValueError(f"neighbours: got {self.neighbours}, expected at most vectors = {self.vectors}")
        if self.plane and self.vectors > MOST_VECTORS:
            raise ValueError(f"plane: got {self.plane}, expected 0 where vectors are more than {MOST_VECTORS}")
        if len(set(self.layers)) != len(self.layers):
            raise ValueError(f"layers: got {list(self.layers)}, expected each layer once")
        if self.shift and not (self.crop or self.roi):
            raise ValueError(
                f"shift: got {self.shift:g} without a crop or a region of interest, expected one with room around it, "
                "where the frame shows what comes in when a part moves"
            )
        if self.crop and self.roi:
            _check_overlap(self.crop, self.roi)
        return self


def _check_overlap(crop: Crop, roi: Roi) -> None:
    width, height = roi.frame_wh
    if crop.x + crop.width > width or crop.y + crop.height > height:
        raise ValueError(
            f"crop: got {crop.width}x{crop.height} at ({crop.x}, {crop.y}), but roi is of frames of {width}x{height}; "
            "expected a crop that lies in them"
        )
    if not roi.inside()[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width].any():
        raise ValueError("roi: lies outside the crop, so nothing is left to look at; move one of them")


def load(path: Path, *, mask: Path | None = None) -> Recipe:
    """The recipe in a YAML file; masks that it names are read, from its folder.

    mask: a picture, white where to look, which is the region of interest of a recipe that has none.

    Raises:
        RecipeError: the file cannot be read, is no YAML mapping, or says something that cannot be; or so a mask.
    """
    try:
        root, data = yaml_text.load(path)
    except OSError as error:
        raise RecipeError(f"recipe {path}: cannot be read ({error.strerror}); expected a YAML file") from error
    except yaml_text.FAULTS as error:
        raise RecipeError(f"recipe {path}: not YAML ({yaml_text.why(error)})") from error
    if root is not None and (repeated := yaml_text.repeated_key(root)) is not None:
        line, key = repeated
        raise RecipeError(f"recipe {path}: line {line}: {key}: given twice, expected once")
    if not isinstance(data, dict):
        got = "nothing" if data is None else type(data).__name__
        raise RecipeError(f"recipe {path}: got {got}, expected keys such as 'size_wh: [256, 256]'")
    if isinstance(data.get("roi"), dict):
        data["roi"] = regions_of_interest.read_files(data["roi"], path.parent)
    if mask is not None:
        if data.get("roi") is not None:
            raise RecipeError(f"mask {mask}: recipe {path} has a roi already; expected one of the two")
        data["roi"] = Roi.read_mask(mask)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"recipe {path}: {'; '.join(explain(one, Recipe) for one in error.errors())}") from error
