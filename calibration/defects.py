"""Synthetic defects in named kinds, each with its mask: what choices are made by where no real defect may be looked at.

Kinds can be held back from one another: what is fitted on some is judged by the others. Pasted pieces and scars after
Li et al., "CutPaste", CVPR 2021; noise-shaped blends after Zavrtanik et al., "DRAEM", ICCV 2021. A kind draws at its
full strength; weaker ones are blends with the untouched picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from calibration.drawing.defects import cut_paste, noise_blend, scratch, stain
from calibration.drawing.textures import draw_texture
from inspector.types import Float32Array, UInt8Image

Draw = Callable[[Generator, UInt8Image], UInt8Image]

STRENGTHS: Final = (0.4, 0.7, 1.0)
"""Shares in which a defect covers the picture: faint, plain, full."""

VISIBLE: Final = 6
"""A pixel belongs to the defect where a channel differs by more levels than this, of 255."""

LEAST_AREA: Final = 12
"""Pixels that a defect shows at least."""

FLAT: Final = 0.25
"""Where the local spread of grey levels is below this share of its upper quartile, there is background."""

TRIES: Final = 6
"""How often a defect that cannot be seen is drawn again."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A picture with one defect: uint8 (height, width, 3); where it shows, bool (height, width); which kind."""

    picture: UInt8Image
    mask: NDArray[np.bool_]
    kind: str


def plant(rng: Generator, picture: UInt8Image, kinds: Sequence[str] = ()) -> Planted:
    """The picture with one defect of a random kind (default: any of KINDS) and strength; grey stays grey.

    A defect that cannot be seen, as where a piece fell upon its like, or that lies beside the part, is drawn again.
    """
    chosen = list(kinds or KINDS)
    kind = chosen[int(rng.integers(len(chosen)))]
    strength = float(rng.choice(STRENGTHS))
    under, part = picture.astype(np.float32), _structured(picture)
    grey = bool((picture == picture[..., :1]).all())
    for _ in range(TRIES):
        drawn = KINDS[kind](rng, picture).astype(np.float32)
        if grey:
            drawn = np.repeat(drawn.mean(2, keepdims=True), 3, 2)
        blended: UInt8Image = (under + strength * (drawn - under) + 0.5).clip(0, 255).astype(np.uint8)
        mask = np.abs(blended.astype(np.int16) - picture).max(2) > VISIBLE
        if mask.sum() >= LEAST_AREA and part[mask].mean() > 0.5:
            break
    return Planted(blended, mask, kind)


def _structured(picture: UInt8Image) -> NDArray[np.bool_]:
    """Where the picture shows more than an even background: bool (height, width)."""
    grey = picture.astype(np.float32).mean(2)
    side = max(5, min(grey.shape) // 24 | 1)
    mean = cv2.blur(grey, (side, side))
    spread = np.sqrt(np.maximum(cv2.blur(grey * grey, (side, side)) - mean * mean, 0))
    structured: NDArray[np.bool_] = spread > FLAT * np.quantile(spread, 0.75)
    return structured


def _paste(rng: Generator, picture: UInt8Image) -> UInt8Image:
    return cut_paste(rng, picture, picture)


def _blend(rng: Generator, picture: UInt8Image) -> UInt8Image:
    return noise_blend(rng, picture, draw_texture(rng, 256))


def _echo(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """The picture itself, turned and of another light, showing through noise: wrong structure of the right matter."""
    turned: UInt8Image = np.ascontiguousarray(np.rot90(picture, int(rng.integers(1, 4)))[:, ::-1])
    light = np.clip(turned.astype(np.float32) * rng.uniform(0.7, 1.3) + rng.uniform(-20, 20), 0, 255)
    return noise_blend(rng, picture, light.astype(np.uint8))


def scar(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """A thin strip of the picture, cut elsewhere, turned, its light changed."""
    height, width = picture.shape[:2]
    reach = min(height, width)
    long, thin = reach * rng.uniform(0.06, 0.3), max(2.0, reach * rng.uniform(0.008, 0.03))
    angle = rng.uniform(0, 180)
    move = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    move[:, 2] += (rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * height)
    moved = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    moved = moved * rng.uniform(0.6, 1.4) + rng.uniform(-30, 30)
    centre = (float(rng.uniform(0.15, 0.85) * width), float(rng.uniform(0.15, 0.85) * height))
    mask = np.zeros((height, width), np.float32)
    corners = cv2.boxPoints((centre, (long, thin), rng.uniform(0, 180)))
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1.0, cv2.LINE_AA)
    return _over(picture, moved, mask)


def smear(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """Texture wiped away inside a soft spot: grease, wear, a local loss of focus."""
    sigma = min(picture.shape[:2]) * rng.uniform(0.012, 0.04)
    blurred = cv2.GaussianBlur(picture, (0, 0), sigma, sigmaY=sigma * float(np.exp(rng.uniform(-1, 1))))
    return _over(picture, blurred.astype(np.float32), _spot(rng, picture, 0.04, 0.12))


def bend(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """Structure pushed aside inside a soft spot."""
    height, width = picture.shape[:2]
    spot = _spot(rng, picture, 0.05, 0.15)
    way = rng.uniform(0, 2 * np.pi)
    push = min(height, width) * rng.uniform(0.02, 0.07)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moved = cv2.remap(
        picture,
        (x + spot * np.float32(push * np.cos(way))).astype(np.float32),
        (y + spot * np.float32(push * np.sin(way))).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return moved.astype(np.uint8)


def grain(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """Rough grain inside a soft spot: corrosion, dust, chatter."""
    height, width = picture.shape[:2]
    scale = float(rng.uniform(1, 4))
    small = rng.standard_normal((max(2, int(height / scale)), max(2, int(width / scale))), dtype=np.float32)
    noise = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)[..., None] * rng.uniform(12, 45)
    return _over(picture, picture + noise, _spot(rng, picture, 0.03, 0.12))


def shade(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """One side of a straight line, or one polygon, darker or brighter: a dead part, a burn, a missing coat."""
    height, width = picture.shape[:2]
    centre = rng.uniform(0.15, 0.85, 2) * (width, height)
    reach = min(height, width) * rng.uniform(0.05, 0.25)
    turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
    lengths = reach * rng.uniform(0.5, 1.2, len(turns))
    corners = centre + lengths[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1.0, cv2.LINE_AA)
    level = rng.choice((-1, 1)) * rng.uniform(20, 70)
    return _over(picture, picture.astype(np.float32) * rng.uniform(0.8, 1.1) + level, mask)


KINDS: Final[dict[str, Draw]] = {
    "paste": _paste,
    "scar": scar,
    "blend": _blend,
    "echo": _echo,
    "scratch": scratch,
    "stain": stain,
    "smear": smear,
    "bend": bend,
    "grain": grain,
    "shade": shade,
}
"""All kinds by name; each draws one defect at full strength into a copy of the picture."""


def _spot(rng: Generator, picture: UInt8Image, least: float, most: float) -> Float32Array:
    """A soft-edged ellipse, its radius a share of the shorter side: float32 (height, width) in [0, 1]."""
    height, width = picture.shape[:2]
    radius = min(height, width) * rng.uniform(least, most)
    stretch = np.exp(rng.uniform(-0.6, 0.6))
    turn = rng.uniform(0, np.pi)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = x - rng.uniform(0.15, 0.85) * width, y - rng.uniform(0.15, 0.85) * height
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    far = np.sqrt((along * stretch) ** 2 + (across / stretch) ** 2) / radius
    spot: Float32Array = np.clip((1.2 - far) / 0.4, 0, 1).astype(np.float32)
    return spot


def _over(under: UInt8Image, over: NDArray[np.floating], mask: Float32Array) -> UInt8Image:
    share = mask[..., None]
    blended: UInt8Image = (under * (1 - share) + over * share + 0.5).clip(0, 255).astype(np.uint8)
    return blended
