"""The two parts that can be drawn: a brushed steel plate and a turned brass cap.

A product is prepared once for each size (some hundred milliseconds) and holds all that frames share.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from inspector.errors import UsageError
from inspector.synthetic import texture
from inspector.synthetic.surface import Hole, Surface, arc_text, blank, polygon, ring, rounded_box, text
from inspector.types import Float32Array

PRODUCTS = ("plate", "cap")


@dataclass(frozen=True, slots=True)
class Product:
    """A part and the place where it lies.

    surface: as it should be. undrilled: the same without any hole. holes: where they belong.
    outline_xy: float32 (n, 2), points along the outer edge in pixels.
    grains: fields of texture to cut (straight, larger than the part) or turn anew for each frame.
    ground: the texture of what the part lies on. noise: sensor noise to cut from, float32 (3, side, side).
    tint, ground_tint: float32 (3,) RGB. straight: brushed along x, otherwise turned about the middle.
    """

    name: str
    surface: Surface
    undrilled: Surface
    holes: tuple[Hole, ...]
    outline_xy: Float32Array
    grains: tuple[Float32Array, ...]
    ground: Float32Array
    noise: Float32Array
    tint: Float32Array
    ground_tint: Float32Array
    straight: bool


@lru_cache(maxsize=8)
def product(name: str, size: int) -> Product:
    """The product of that name, prepared for square frames of `size` pixels.

    Raises:
        UsageError: no such product, or a size that cannot be drawn.
    """
    if name not in PRODUCTS:
        raise UsageError(f"synthetic product {name!r}: expected one of {', '.join(PRODUCTS)}")
    if not 64 <= size <= 2048:
        raise UsageError(f"synthetic frame size: got {size}, expected 64 to 2048 pixels")
    return _plate(size) if name == "plate" else _cap(size)


def _plate(size: int) -> Product:
    rng = np.random.default_rng(20)
    scale = size / 384
    outline = rounded_box(size, 0.09, 0.13, 0.91, 0.87, 0.07)
    base = blank(outline, chamfer=0.016, chamfer_px=5.0 * scale, albedo=0.62)
    boss = ring(size, 0.5, 0.5, 0, 0.185)
    base = base.raised(boss, 2.2 * scale, soft_px=1.2 * scale, tone=1.05)
    base = base.raised(ring(size, 0.5, 0.5, 0.150, 0.158), -1.2 * scale, tone=0.85)
    base = base.raised(rounded_box(size, 0.36, 0.755, 0.64, 0.800, 0.0225), -3.0 * scale, tone=0.55)
    for words, x, y, cap in (("MX-40", 0.145, 0.40, 0.040), ("7.5 Nm", 0.145, 0.645, 0.026)):
        base = base.raised(text(size, words, x, y, cap), -1.3 * scale, soft_px=0.5 * scale, tone=0.52)
    mark = ring(size, 0.775, 0.385, 0.030, 0.038) + polygon(
        size, np.array([[0.775, 0.362], [0.795, 0.398], [0.755, 0.398]], dtype=np.float32)
    )
    base = base.raised(np.clip(mark, 0, 1), -1.3 * scale, soft_px=0.5 * scale, tone=0.52)
    base = base.raised(text(size, "R2", 0.748, 0.645, 0.026), -1.3 * scale, soft_px=0.5 * scale, tone=0.52)
    corners = [Hole(x, y, 0.030, 0.047) for y in (0.215, 0.785) for x in (0.175, 0.825)]
    holes = (*corners, Hole(0.5, 0.5, 0.105, 0.120))
    side = int(size * 1.35)
    return Product(
        name="plate",
        surface=_drilled(base, holes),
        undrilled=base,
        holes=holes,
        outline_xy=_outline(outline),
        grains=tuple(texture.brushed(rng, (side, side), scale) for _ in range(3)),
        ground=0.4 * texture.cast(rng, (side, side), 0.7 * scale),
        noise=rng.standard_normal((3, side, side), dtype=np.float32),
        tint=np.array([0.97, 1.0, 1.03], dtype=np.float32),
        ground_tint=np.array([0.115, 0.135, 0.130], dtype=np.float32),
        straight=True,
    )


def _cap(size: int) -> Product:
    rng = np.random.default_rng(40)
    scale = size / 384
    turn = np.linspace(0, 2 * np.pi, 1440, endpoint=False)
    knurl = 0.428 + 0.0045 * np.clip(3 * np.sin(60 * turn), -1, 1)
    points = np.stack([0.5 + knurl * np.cos(turn), 0.5 + knurl * np.sin(turn)], axis=1).astype(np.float32)
    outline = polygon(size, points)
    base = blank(outline, chamfer=0.020, chamfer_px=5.0 * scale, albedo=0.66)
    base = base.raised(ring(size, 0.5, 0.5, 0, 0.355), -2.4 * scale, soft_px=1.5 * scale, tone=0.96)
    for inner in (0.318, 0.332):
        base = base.raised(ring(size, 0.5, 0.5, inner, inner + 0.005), -1.2 * scale, soft_px=0.6 * scale, tone=0.8)
    base = base.raised(ring(size, 0.5, 0.5, 0, 0.125), 3.0 * scale, soft_px=1.4 * scale, tone=1.04)
    angle = np.deg2rad(np.arange(6) * 60 + 12)
    socket = polygon(
        size, np.stack([0.5 + 0.066 * np.cos(angle), 0.5 + 0.066 * np.sin(angle)], axis=1).astype(np.float32)
    )
    base = base.raised(socket, -5.0 * scale, soft_px=1.0 * scale, tone=0.16)
    for words, start in (("PN16", -24.0), ("DN50", 156.0)):
        letters = arc_text(size, words, 0.375, 0.026, start)
        base = base.raised(letters, -1.2 * scale, soft_px=0.5 * scale, tone=0.55)
    places = np.deg2rad(np.arange(6) * 60)
    holes = tuple(Hole(0.5 + 0.225 * float(np.cos(a)), 0.5 + 0.225 * float(np.sin(a)), 0.027, 0.040) for a in places)
    side = int(size * 1.35)
    return Product(
        name="cap",
        surface=_drilled(base, holes),
        undrilled=base,
        holes=holes,
        outline_xy=_outline(outline),
        grains=tuple(texture.turned(rng, size, scale) for _ in range(4)),
        ground=0.45 * texture.cast(rng, (side, side), 1.1 * scale),
        noise=rng.standard_normal((3, side, side), dtype=np.float32),
        tint=np.array([1.20, 0.94, 0.52], dtype=np.float32),
        ground_tint=np.array([0.24, 0.28, 0.33], dtype=np.float32),
        straight=False,
    )


def _drilled(base: Surface, holes: tuple[Hole, ...]) -> Surface:
    for hole in holes:
        base = base.drilled(hole)
    return base


def _outline(shape: Float32Array) -> Float32Array:
    contours, _ = cv2.findContours((shape > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(contours, key=len)[:, 0, :].astype(np.float32)
