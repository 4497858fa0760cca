"""Geometry of what a frame's page draws: where the map lies, which crop shows a patch, where thresholds stand."""

from dataclasses import dataclass
from typing import Self

from inspector.explain import FlaggedPatch, Neighbour
from inspector.store import FrameRow
from inspector.web.evidence import Why

CONTEXT = 4
"""Patches around a patch that its crop shows, on each side."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, pixels of the frame."""

    x: float
    y: float
    width: float
    height: float

    @property
    def view_box(self) -> str:
        """As an SVG's viewBox."""
        return f"{self.x:g} {self.y:g} {self.width:g} {self.height:g}"


@dataclass(frozen=True, slots=True)
class NearView:
    """A neighbour in the bank: which sample, how far, its crop and cell, as if the sample lay where the frame does."""

    sample: int
    name: str
    distance: float
    crop: Box
    cell: Box


@dataclass(frozen=True, slots=True)
class PatchView:
    """A flagged patch, its crop of the frame, and its neighbours, the nearest first."""

    number: int
    score: float
    crop: Box
    cell: Box
    nearest: tuple[NearView, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything that is drawn from an explanation. view: where the map lies."""

    size_wh: tuple[int, int]
    view: Box
    patches: tuple[PatchView, ...]

    @classmethod
    def of(cls, why: Why) -> Self:
        """From an explanation."""
        told = why.explanation
        view = Box(told.view.x, told.view.y, told.view.width, told.view.height)

        def around(patch: FlaggedPatch | Neighbour, context: int) -> Box:
            return _around(view, told.grid_hw, patch.row, patch.column, context)

        def near(one: Neighbour) -> NearView:
            name = why.sample_names[one.sample]
            return NearView(one.sample, name, one.distance, around(one, CONTEXT), around(one, 0))

        patches = tuple(
            PatchView(number, one.score, around(one, CONTEXT), around(one, 0), tuple(map(near, one.neighbours)))
            for number, one in enumerate(told.patches, 1)
        )
        return cls(told.size_wh, view, patches)


@dataclass(frozen=True, slots=True)
class Marks:
    """Where score and thresholds stand on a scale from 0 to 100."""

    score: float
    ok: float
    ng: float


def marks(row: FrameRow) -> Marks | None:
    """Of a frame; None where the verdict names no thresholds."""
    ok, ng = row.thresholds
    if row.score is None or ok is None or ng is None:
        return None
    top = max(1.15 * row.score, 1.6 * ng, 1e-9)
    return Marks(100 * row.score / top, 100 * ok / top, 100 * ng / top)


def _around(view: Box, grid_hw: tuple[int, int], row: int, column: int, context: int) -> Box:
    """A patch and so many around it, moved inwards at the border."""
    rows, columns = grid_hw
    high, wide = min(rows, 2 * context + 1), min(columns, 2 * context + 1)
    top = min(max(row - context, 0), rows - high)
    left = min(max(column - context, 0), columns - wide)
    cell_w, cell_h = view.width / columns, view.height / rows
    return Box(view.x + left * cell_w, view.y + top * cell_h, wide * cell_w, high * cell_h)
