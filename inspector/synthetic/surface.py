"""The shape of a part, before light: what is metal, how high, how bright.

Shapes are drawn at four times the size and averaged down, so that edges are as soft as a lens makes them.
Lengths are fractions of the field's side unless a name says `_px`.
"""

from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np

from inspector.types import Float32Array, UInt8Image

_OVER = 4
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True, slots=True)
class Hole:
    """A drilled hole: centre and radius of the dark opening, radius of the sunk rim around it."""

    x: float
    y: float
    radius: float
    rim: float


@dataclass(frozen=True, slots=True)
class Surface:
    """A part seen from above, in its own coordinates. All arrays float32 (size, size).

    cover: 0 beside the part, 1 on it. height: in pixels, up is positive.
    albedo: 0..1, how bright the metal is.
    """

    cover: Float32Array
    height: Float32Array
    albedo: Float32Array

    @property
    def size(self) -> int:
        """Side of the square field in pixels."""
        return int(self.cover.shape[0])

    def copied(self) -> Self:
        """The same surface in arrays of its own, for a defect to write on."""
        return replace(self, cover=self.cover.copy(), height=self.height.copy(), albedo=self.albedo.copy())

    def drilled(self, hole: Hole) -> Self:
        """With a hole: a sunk rim that slopes inwards, and darkness."""
        size = self.size
        distance = distance_from(size, hole.x, hole.y)
        slope = np.clip((hole.rim * size - distance) / max((hole.rim - hole.radius) * size, 1.0), 0, 1)
        opening = np.clip(hole.radius * size - distance + 0.5, 0, 1)
        wall = np.clip(distance / (hole.radius * size), 0, 1) ** 6
        dark = 0.05 + 0.10 * wall
        metal = self.albedo * (1 - opening) * (1 - 0.12 * slope)
        return replace(
            self,
            height=np.asarray(self.height - 3.0 * slope - 2.0 * opening, dtype=np.float32),
            albedo=np.asarray(metal + dark * opening, dtype=np.float32),
        )

    def raised(self, shape: Float32Array, by_px: float, *, soft_px: float = 0.8, tone: float = 1.0) -> Self:
        """With `shape` (0..1) raised, or sunk where `by_px` is negative, and its brightness times `tone`."""
        edge = cv2.GaussianBlur(shape, (0, 0), soft_px)
        return replace(
            self,
            height=np.asarray(self.height + by_px * edge, dtype=np.float32),
            albedo=np.asarray(self.albedo * (1 + (tone - 1) * shape), dtype=np.float32),
        )


def blank(outline: Float32Array, *, chamfer: float, chamfer_px: float, albedo: float) -> Surface:
    """A flat part of the given outline (0..1) with a chamfer along its edge."""
    size = outline.shape[0]
    inside = (outline > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5).astype(np.float32)
    slope = np.clip(depth / (chamfer * size), 0, 1)
    height = cv2.GaussianBlur(np.asarray(slope * chamfer_px, dtype=np.float32), (0, 0), 0.7)
    return Surface(outline, np.asarray(height, dtype=np.float32), np.full((size, size), albedo, dtype=np.float32))


def distance_from(size: int, x: float, y: float) -> Float32Array:
    """Distance of each pixel from a point, in pixels."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.asarray(np.hypot(grid[None, :] - x, grid[:, None] - y) * size, dtype=np.float32)


def ring(size: int, x: float, y: float, inner: float, outer: float) -> Float32Array:
    """A ring, or a disc where `inner` is 0: 0..1."""
    distance = distance_from(size, x, y)
    disc = np.clip(outer * size - distance + 0.5, 0, 1)
    if inner > 0:
        disc = disc * np.clip(distance - inner * size + 0.5, 0, 1)
    return np.asarray(disc, dtype=np.float32)


def polygon(size: int, points_xy: Float32Array) -> Float32Array:
    """A filled polygon, points float32 (n, 2): 0..1."""
    canvas = _canvas(size)
    cv2.fillPoly(canvas, [np.round(points_xy * size * _OVER).astype(np.int32)], 255)
    return _averaged(canvas, size)


def rounded_box(size: int, left: float, top: float, right: float, bottom: float, radius: float) -> Float32Array:
    """A rectangle with round corners: 0..1."""
    arcs = []
    for x, y, start in (
        (right - radius, bottom - radius, 0.0),
        (left + radius, bottom - radius, 0.5),
        (left + radius, top + radius, 1.0),
        (right - radius, top + radius, 1.5),
    ):
        angle = np.pi * (start + np.linspace(0, 0.5, 24))
        arcs.append(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1))
    return polygon(size, np.concatenate(arcs).astype(np.float32))


def text(size: int, words: str, x: float, y: float, cap_height: float) -> Float32Array:
    """A line of engraved letters with its left end of the base line at (x, y): 0..1."""
    canvas = _canvas(size)
    scale = cap_height * size * _OVER / 22.0
    origin = (round(x * size * _OVER), round(y * size * _OVER))
    cv2.putText(canvas, words, origin, _FONT, scale, 255, max(1, round(scale * 2.4)), cv2.LINE_AA)
    return _averaged(canvas, size)


def arc_text(size: int, words: str, radius: float, cap_height: float, start_degrees: float) -> Float32Array:
    """Letters along a circle about the middle, upright seen from it, from an angle on (0 is up): 0..1."""
    canvas = _canvas(size)
    scale = cap_height * size * _OVER / 22.0
    weight = max(1, round(scale * 2.4))
    middle = size * _OVER / 2
    angle = np.deg2rad(start_degrees)
    for letter in words:
        (width, _), _ = cv2.getTextSize(letter, _FONT, scale, weight)
        step = 1.12 * width / (radius * size * _OVER)
        stamp = _canvas(size)
        origin = (round(middle - width / 2), round(middle - radius * size * _OVER))
        cv2.putText(stamp, letter, origin, _FONT, scale, 255, weight, cv2.LINE_AA)
        turn = cv2.getRotationMatrix2D((middle, middle), -float(np.rad2deg(angle + step / 2)), 1.0)
        np.maximum(canvas, cv2.warpAffine(stamp, turn, canvas.shape), out=canvas)
        angle += step
    return _averaged(canvas, size)


def stroke(size: int, points_xy: Float32Array, width_px: float) -> Float32Array:
    """An open line through points in pixels, float32 (n, 2), drawn `width_px` wide: 0..1."""
    canvas = _canvas(size)
    thickness = max(1, round(width_px * _OVER))
    cv2.polylines(canvas, [np.round(points_xy * _OVER).astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
    return _averaged(canvas, size)


def _canvas(size: int) -> UInt8Image:
    return np.zeros((size * _OVER, size * _OVER), dtype=np.uint8)


def _averaged(canvas: UInt8Image, size: int) -> Float32Array:
    averaged = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(averaged / 255, dtype=np.float32)
