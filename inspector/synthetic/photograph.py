"""Pose, light, lens and sensor: what makes two pictures of equal parts differ."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from inspector.synthetic.defect import Marked
from inspector.synthetic.product import Product
from inspector.types import Float32Array, UInt8Image


@dataclass(frozen=True, slots=True)
class Conditions:
    """Everything that varies from frame to frame, drawn once per frame.

    turn_degrees, shift_xy (fractions of the side), zoom: pose of the part. azimuth: where light comes from,
    radians. brightness, gradient_xy, warmth: the illumination. highlight: where gloss lies, 0..1; gloss: how
    strong. blur_px, noise: lens and sensor. seed: cuts textures and noise.
    """

    turn_degrees: float
    shift_xy: tuple[float, float]
    zoom: float
    azimuth: float
    brightness: float
    gradient_xy: tuple[float, float]
    warmth: float
    highlight: float
    gloss: float
    blur_px: float
    noise: float
    seed: int

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Self:
        """Conditions of a usual frame."""
        return cls(
            turn_degrees=rng.normal(0, 1.2),
            shift_xy=(rng.normal(0, 0.006), rng.normal(0, 0.006)),
            zoom=rng.normal(1.0, 0.004),
            azimuth=np.deg2rad(225 + rng.normal(0, 6)),
            brightness=rng.normal(1.0, 0.045),
            gradient_xy=(rng.normal(0, 0.05), rng.normal(0, 0.05)),
            warmth=rng.normal(0, 0.012),
            highlight=rng.uniform(0.40, 0.60),
            gloss=rng.uniform(0.45, 0.65),
            blur_px=rng.uniform(0.45, 0.75),
            noise=rng.uniform(0.7, 1.3),
            seed=int(rng.integers(2**31)),
        )


def photograph(part: Product, marked: Marked, light: Conditions) -> tuple[UInt8Image, Float32Array]:
    """The picture, uint8 (size, size, 3) RGB, and the defect's mask in it, float32 (size, size), 0..1."""
    size = marked.surface.size
    cut = np.random.default_rng(light.seed)
    pose = _pose(size, light)
    cover, height, albedo = (
        _moved(field, pose) for field in (marked.surface.cover, marked.surface.height, marked.surface.albedo)
    )
    grain = _grain(part, cut, pose, size)
    across = np.linspace(-1, 1, size, dtype=np.float32)
    field = light.brightness * (1 + light.gradient_xy[0] * across[None, :] + light.gradient_xy[1] * across[:, None])
    field = field * (1 + 0.03 * _cloud(cut, size))
    metal = _metal(albedo, height, grain, _gloss(part, light, size), light) * field
    mat = (1 + 0.16 * _window(cut, part.ground, size)) * (1 - 0.62 * _shadow(cover, size)) * field

    paint = None
    if marked.paint is not None:
        paint = cv2.split(_moved(marked.paint, pose))
    seen = metal * cover
    beside = mat * (1 - cover)
    planes = []
    for channel, warmth in enumerate((1 + light.warmth, 1.0, 1 - light.warmth)):
        plane = seen * np.float32(part.tint[channel] * warmth)
        if paint is not None:
            plane += paint[3] * (paint[channel] * field * cover - plane)
        plane += beside * part.ground_tint[channel]
        planes.append(np.asarray(plane, dtype=np.float32))

    return _exposed(planes, part, cut, light), _moved(marked.mask, pose)


def _pose(size: int, light: Conditions) -> Float32Array:
    """The affine map (2, 3) from the part's coordinates to the frame's."""
    middle = (size - 1) / 2
    pose = cv2.getRotationMatrix2D((middle, middle), light.turn_degrees, light.zoom)
    pose[:, 2] += np.array(light.shift_xy) * size
    return np.asarray(pose, dtype=np.float32)


def _grain(part: Product, cut: np.random.Generator, pose: Float32Array, size: int) -> Float32Array:
    """The texture of this very part, in the frame's coordinates."""
    field = part.grains[int(cut.integers(len(part.grains)))]
    if part.straight:
        return _moved(_window(cut, field, size), pose, cv2.BORDER_REFLECT)
    middle = (size - 1) / 2
    turn = np.vstack([cv2.getRotationMatrix2D((middle, middle), cut.uniform(0, 360), 1.0), [0, 0, 1]])
    own = np.asarray(np.vstack([pose, [0, 0, 1]]) @ turn, dtype=np.float32)[:2]
    return _moved(field, own, cv2.BORDER_REFLECT)


def _moved(field: Float32Array, pose: Float32Array, border: int = cv2.BORDER_CONSTANT) -> Float32Array:
    """A field under an affine map, at its own size."""
    height, width = field.shape[:2]
    return np.asarray(cv2.warpAffine(field, pose, (width, height), borderMode=border), dtype=np.float32)


def _window(cut: np.random.Generator, field: Float32Array, size: int) -> Float32Array:
    """A random cut of a larger field."""
    top, left = (int(cut.integers(side - size + 1)) for side in field.shape[:2])
    return field[top : top + size, left : left + size]


def _cloud(cut: np.random.Generator, size: int) -> Float32Array:
    """Uneven surroundings mirrored in the metal."""
    coarse = cut.standard_normal((4, 4), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _gloss(part: Product, light: Conditions, size: int) -> Float32Array:
    """Where the lamp is mirrored: a band across straight marks, two sectors on turned ones."""
    grid = np.linspace(0, 1, size, dtype=np.float32)
    if part.straight:
        band = np.exp(-(((grid - light.highlight) / 0.24) ** 2))
        lean = np.exp(-(((grid - 0.35) / 0.55) ** 2))
        return np.asarray(lean[:, None] * band[None, :], dtype=np.float32)
    x, y = grid[None, :] - 0.5, grid[:, None] - 0.5
    lamp = light.azimuth + (light.highlight - 0.5) * 1.2
    along = (x * np.float32(np.cos(lamp)) + y * np.float32(np.sin(lamp))) ** 2 / (x**2 + y**2 + 0.002)
    return np.asarray(0.35 * along + (along * along) ** 2, dtype=np.float32)


def _metal(
    albedo: Float32Array, height: Float32Array, grain: Float32Array, gloss: Float32Array, light: Conditions
) -> Float32Array:
    """Light that the part sends to the camera: float32 (size, size)."""
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    facing = -(slope_x * np.float32(np.cos(light.azimuth)) + slope_y * np.float32(np.sin(light.azimuth)))
    diffuse = np.clip(0.52 + 0.42 * facing, 0.10, 1.25)
    spark = np.clip(facing - 0.25, 0, 1.2) * 0.45
    mirror = light.gloss * gloss * np.clip(1 - 0.7 * np.abs(facing), 0, 1)
    streaks = 1 + 0.055 * grain
    return np.asarray(albedo * streaks * (diffuse + spark + mirror * streaks), dtype=np.float32)


def _shadow(cover: Float32Array, size: int) -> Float32Array:
    """The soft shadow of the part on what it lies on."""
    small = cv2.resize(cover, (size // 4, size // 4), interpolation=cv2.INTER_AREA)
    offset = np.array([[1, 0, 0.012 * size / 4], [0, 1, 0.014 * size / 4]], dtype=np.float32)
    moved = _moved(np.asarray(small, dtype=np.float32), offset)
    soft = cv2.GaussianBlur(moved, (0, 0), 0.014 * size / 4)
    return np.asarray(cv2.resize(soft, (size, size)), dtype=np.float32)


def _exposed(planes: list[Float32Array], part: Product, cut: np.random.Generator, light: Conditions) -> UInt8Image:
    """Lens blur, vignette, tone curve, noise, eight bits: three planes (size, size) in, RGB out."""
    size = planes[0].shape[0]
    grid = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    vignette = np.asarray(-1.9 * (1 - 0.06 * (grid[:, None] + grid[None, :])), dtype=np.float32)
    levels = []
    for plane, field in zip(planes, part.noise, strict=True):
        sharp = cv2.GaussianBlur(plane, (5, 5), light.blur_px)
        exposed = 1 - cv2.exp(cv2.multiply(sharp, vignette))
        noise = _window(cut, field, size) * (cv2.sqrt(exposed) * (1.4 * light.noise) + 0.6 * light.noise)
        levels.append(cv2.convertScaleAbs(np.maximum(cv2.scaleAdd(exposed, 255.0, noise), 0)))
    return np.asarray(cv2.merge(levels), dtype=np.uint8)
