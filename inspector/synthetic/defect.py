"""What can be wrong with a part, drawn into its surface with an exact mask.

Lengths in pixels hold at a frame of 384 pixels and grow with the frame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import cv2
import numpy as np

from inspector.errors import UsageError
from inspector.synthetic import texture
from inspector.synthetic.product import Product
from inspector.synthetic.surface import Surface, polygon, stroke
from inspector.types import Float32Array


class DefectKind(StrEnum):
    """The names of the defect types, as folders of a data set."""

    SCRATCH = "scratch"
    DENT = "dent"
    STAIN = "stain"
    MISSING_HOLE = "missing_hole"
    CHIP = "chip"
    BURR = "burr"
    FIBRE = "fibre"


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect to draw. severity: in (0, 1], from hardly visible to plain."""

    kind: DefectKind
    severity: float

    def __post_init__(self) -> None:
        if not 0 < self.severity <= 1:
            raise UsageError(f"defect severity: got {self.severity}, expected more than 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Marked:
    """A surface with a defect on it.

    mask: float32 (size, size), 0..1, where the surface differs from a good one.
    paint: float32 (size, size, 4), RGB and opacity of foreign matter on top, or None.
    """

    surface: Surface
    mask: Float32Array
    paint: Float32Array | None = None


def mark(rng: np.random.Generator, part: Product, defect: Defect) -> Marked:
    """The surface of a part with one defect somewhere on it."""
    return _DRAW[defect.kind](rng, part, defect.severity)


def _scratch(rng: np.random.Generator, part: Product, severity: float) -> Marked:
    size, scale = part.surface.size, part.surface.size / 384
    line = _wander(rng, _spot(rng, part, 12), 40 + 90 * severity, bend=0.5, scale=scale)
    groove = stroke(size, line, (0.9 + 1.3 * severity) * scale) * _on_metal(part)
    surface = part.surface.copied()
    surface.height[:] -= (0.6 + 1.8 * severity) * scale * groove
    surface.albedo[:] *= 1 + (0.20 + 0.5 * severity) * groove
    return Marked(surface, groove)


def _dent(rng: np.random.Generator, part: Product, severity: float) -> Marked:
    size, scale = part.surface.size, part.surface.size / 384
    x, y = _spot(rng, part, 20)
    long = (7 + 11 * severity) * scale
    wide = long * rng.uniform(0.55, 1.0)
    turn = rng.uniform(0, np.pi)
    grid = np.arange(size, dtype=np.float32)
    dx, dy = grid[None, :] - x, grid[:, None] - y
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    reach = np.sqrt((along / long) ** 2 + (across / wide) ** 2)
    hollow = np.asarray(np.exp(-2.0 * reach**2) * _on_metal(part), dtype=np.float32)
    surface = part.surface.copied()
    surface.height[:] -= (3.0 + 6.0 * severity) * scale * hollow
    return Marked(surface, np.asarray(np.clip(hollow / 0.3, 0, 1), dtype=np.float32))


def _stain(rng: np.random.Generator, part: Product, severity: float) -> Marked:
    size, scale = part.surface.size, part.surface.size / 384
    x, y = _spot(rng, part, 14)
    radius = (12 + 22 * severity) * scale
    grid = np.arange(size, dtype=np.float32)
    distance = np.hypot(grid[None, :] - x, grid[:, None] - y) / radius
    lumps = texture.smooth(rng, (size, size), (radius * 0.3, radius * 0.3))
    body = np.clip((1 + 0.28 * lumps - distance) * 6, 0, 1) * _on_metal(part)
    rim = np.clip(1 - np.abs(1 + 0.28 * lumps - distance - 0.12) * 8, 0, 1) * body
    opacity = np.asarray((0.16 + 0.34 * severity) * body + 0.18 * severity * rim, dtype=np.float32)
    colour = (0.23, 0.15, 0.08) if rng.random() < 0.6 else (0.10, 0.11, 0.13)
    return Marked(part.surface, np.asarray(body, dtype=np.float32), _painted(opacity, colour))


def _missing_hole(rng: np.random.Generator, part: Product, severity: float) -> Marked:
    size = part.surface.size
    small = [hole for hole in part.holes if hole.radius < 0.06]
    hole = small[int(rng.integers(len(small)))]
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    distance = np.hypot(grid[None, :] - hole.x, grid[:, None] - hole.y)
    disc = np.asarray(np.clip((hole.rim - distance) * size + 1.0, 0, 1), dtype=np.float32)
    good, filled = part.surface, part.undrilled
    # A hole that the drill only began, where the severity is low.
    depth = disc * (0.55 + 0.45 * severity)
    surface = Surface(
        good.cover,
        np.asarray(good.height + depth * (filled.height - good.height), dtype=np.float32),
        np.asarray(good.albedo + depth * (filled.albedo - good.albedo), dtype=np.float32),
    )
    return Marked(surface, disc)


def _chip(rng: np.random.Generator, part: Product, severity: float) -> Marked:
    size, scale = part.surface.size, part.surface.size / 384
    x, y = part.outline_xy[int(rng.integers(len(part.outline_xy)))]
    radius = (6 + 11 * severity) * scale
    turn = np.sort(rng.uniform(0, 2 * np.pi, 11))
    reach = radius * rng.uniform(0.6, 1.15, 11)
    points = np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1) / size
    bite = polygon(size, points.astype(np.float32)) * part.surface.cover
    fracture = cv2.GaussianBlur(bite, (0, 0), 1.6 * scale) * part.surface.cover * (1 - bite)
    surface = part.surface.copied()
    surface.cover[:] *= 1 - bite
    surface.height[:] -= 4.0 * scale * fracture
    surface.albedo[:] *= 1 + 0.5 * fracture
    return Marked(surface, bite)


def _burr(rng: np.random.Generator, part: Product, severity: float) -> Marked:
    size, scale = part.surface.size, part.surface.size / 384
    hole = part.holes[int(rng.integers(len(part.holes)))]
    start, span = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.2) + 1.2 * severity
    turn = np.linspace(start, start + span, 24)
    lip = np.sin(np.linspace(0, np.pi, 24)) * rng.uniform(0.55, 1.0, 24)
    inner = hole.radius - np.minimum((0.010 + 0.024 * severity) * lip, 0.75 * hole.radius)
    outer = hole.radius + 0.003 + (0.006 + 0.014 * severity) * lip[::-1]
    edge = np.concatenate([inner, outer[::-1]])
    angle = np.concatenate([turn, turn[::-1]])
    points = np.stack([hole.x + edge * np.cos(angle), hole.y + edge * np.sin(angle)], axis=1)
    sliver = polygon(size, points.astype(np.float32))
    surface = part.surface.copied()
    ragged = np.asarray(sliver * (0.62 + 0.25 * severity), dtype=np.float32)
    surface.albedo[:] = surface.albedo * (1 - sliver) + ragged
    surface.height[:] += (1.0 + 1.5 * severity) * scale * sliver
    return Marked(surface, sliver)


def _fibre(rng: np.random.Generator, part: Product, severity: float) -> Marked:
    size, scale = part.surface.size, part.surface.size / 384
    line = _wander(rng, _spot(rng, part, 10), 34 + 60 * severity, bend=2.4, scale=scale)
    thread = stroke(size, line, (0.9 + 0.9 * severity) * scale) * _on_metal(part)
    colours = ((0.06, 0.06, 0.08), (0.10, 0.16, 0.34), (0.42, 0.10, 0.09))
    surface = part.surface.copied()
    fall = round(2 * scale)
    shadow = cv2.GaussianBlur(np.roll(thread, (fall, fall), (0, 1)), (0, 0), 1.2 * scale)
    surface.albedo[:] *= 1 - 0.35 * shadow
    opacity = np.asarray(thread * (0.55 + 0.4 * severity), dtype=np.float32)
    return Marked(surface, thread, _painted(opacity, colours[int(rng.integers(len(colours)))]))


def _on_metal(part: Product) -> Float32Array:
    """1 on metal, 0 in the holes and beside the part: float32 (size, size)."""
    return np.asarray(part.surface.cover * (part.surface.albedo > 0.25), dtype=np.float32)


def _spot(rng: np.random.Generator, part: Product, margin_px: float) -> tuple[float, float]:
    """A point on the metal, at least `margin_px` from its edge, in pixels."""
    margin = max(1.0, margin_px * part.surface.size / 384)
    depth = cv2.distanceTransform((_on_metal(part) > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.nonzero(depth >= min(margin, float(depth.max())))
    pick = int(rng.integers(len(rows)))
    return float(columns[pick]), float(rows[pick])


def _wander(
    rng: np.random.Generator, start_xy: tuple[float, float], length_px: float, *, bend: float, scale: float
) -> Float32Array:
    """A smooth random path with its middle at a point: float32 (n, 2) in pixels."""
    steps = 40
    wobble = np.cumsum(rng.normal(0, bend / np.sqrt(steps), steps))
    heading = rng.uniform(0, 2 * np.pi) + wobble + rng.normal(0, bend) * np.linspace(-1, 1, steps)
    step = length_px * scale / steps
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * step, axis=0)
    return np.asarray(path - path[steps // 2] + np.array(start_xy), dtype=np.float32)


def _painted(opacity: Float32Array, colour: tuple[float, float, float]) -> Float32Array:
    """RGB and opacity of one colour: float32 (size, size, 4)."""
    paint = np.empty((*opacity.shape, 4), dtype=np.float32)
    paint[..., :3] = colour
    paint[..., 3] = opacity
    return paint


_DRAW: Mapping[DefectKind, Callable[[np.random.Generator, Product, float], Marked]] = MappingProxyType(
    {
        DefectKind.SCRATCH: _scratch,
        DefectKind.DENT: _dent,
        DefectKind.STAIN: _stain,
        DefectKind.MISSING_HOLE: _missing_hole,
        DefectKind.CHIP: _chip,
        DefectKind.BURR: _burr,
        DefectKind.FIBRE: _fibre,
    }
)
