"""Synthetic defects: what stands in for real ones where recipes are chosen, and what widens the training crops.

Pasted pieces after Li et al., "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization", CVPR 2021;
noise-shaped blends after Zavrtanik et al., "DRAEM", ICCV 2021. All take and return uint8 (height, width, 3).
"""

import cv2
import numpy as np
from numpy.random import Generator

from calibration.drawing.textures import fractal_noise
from inspector.types import Float32Array, UInt8Image


def add_defect(rng: Generator, picture: UInt8Image, donor: UInt8Image) -> UInt8Image:
    """The picture with one defect of a random kind.

    donor: another picture or texture, of any size; some kinds take their matter from it.
    """
    kind = rng.integers(4)
    if kind == 0:
        return cut_paste(rng, picture, picture if rng.random() < 0.7 else donor)
    if kind == 1:
        return noise_blend(rng, picture, donor)
    if kind == 2:
        return scratch(rng, picture)
    return stain(rng, picture)


def cut_paste(rng: Generator, picture: UInt8Image, source: UInt8Image) -> UInt8Image:
    """A rectangle of 0.4 to 6 % of the area, cut from the source, turned at random, put somewhere else."""
    height, width = picture.shape[:2]
    area, aspect = rng.uniform(0.004, 0.06), np.exp(rng.uniform(-1.2, 1.2))
    cut_h = int(np.clip(height * np.sqrt(area * aspect), 4, height // 2))
    cut_w = int(np.clip(width * np.sqrt(area / aspect), 4, width // 2))
    source = cv2.resize(source, (width, height)).astype(np.uint8)
    top, left = int(rng.integers(height - cut_h)), int(rng.integers(width - cut_w))
    piece = source[top : top + cut_h, left : left + cut_w]
    if rng.random() < 0.7:
        piece = np.clip(piece.astype(np.float32) * rng.uniform(0.7, 1.3) + rng.uniform(-25, 25), 0, 255).astype(
            np.uint8
        )
    above, beside = (height - cut_h) // 2, (width - cut_w) // 2
    middle = slice(above, above + cut_h), slice(beside, beside + cut_w)
    patch, mask = np.zeros_like(picture), np.zeros((height, width), np.float32)
    patch[middle], mask[middle] = piece, 1
    move = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-45, 45), 1.0)
    move[:, 2] += (rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * height)
    return _blend(
        picture,
        cv2.warpAffine(patch, move, (width, height)).astype(np.uint8),
        cv2.warpAffine(mask, move, (width, height)).astype(np.float32),
    )


def noise_blend(rng: Generator, picture: UInt8Image, donor: UInt8Image) -> UInt8Image:
    """The donor showing through where fractal noise is high, inside a soft disc."""
    height, width = picture.shape[:2]
    size = max(height, width)
    noise = cv2.resize(fractal_noise(rng, size), (width, height))
    inside = _disc(rng, height, width, rng.uniform(0.05, 0.2))
    field = noise * inside
    mask = np.clip((field - 0.55 * field.max()) * 10, 0, 1).astype(np.float32) * np.float32(rng.uniform(0.3, 1.0))
    return _blend(picture, cv2.resize(donor, (width, height)).astype(np.uint8), mask)


def scratch(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """A thin bent line, darker or brighter than what it crosses."""
    height, width = picture.shape[:2]
    reach = min(height, width)
    point = rng.uniform(0.15, 0.85, 2) * (width, height)
    angle, points = rng.uniform(0, 2 * np.pi), [point]
    for _ in range(int(rng.integers(2, 7))):
        angle += rng.normal(0, 0.45)
        point = point + reach * rng.uniform(0.03, 0.09) * np.array([np.cos(angle), np.sin(angle)])
        points.append(point)
    mask = np.zeros((height, width), np.float32)
    thickness = max(1, round(reach / 256 * rng.uniform(1, 3.5)))
    cv2.polylines(mask, [np.round(points).astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA)
    return _blend(picture, _shaded(rng, picture), mask * np.float32(rng.uniform(0.4, 1)))


def stain(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """A soft-edged spot of another shade: oil, a dent, a burn."""
    height, width = picture.shape[:2]
    mask = np.clip(_disc(rng, height, width, rng.uniform(0.012, 0.09)) * 1.6, 0, 1).astype(np.float32)
    return _blend(picture, _shaded(rng, picture), mask * np.float32(rng.uniform(0.3, 1)))


def _disc(rng: Generator, height: int, width: int, radius: float) -> Float32Array:
    """A Gaussian bump, its radius a share of the shorter side, stretched at random: (height, width), [0, 1]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre_y, centre_x = rng.uniform(0.15, 0.85) * height, rng.uniform(0.15, 0.85) * width
    reach, stretch = radius * min(height, width), np.exp(rng.uniform(-0.5, 0.5))
    bump: Float32Array = np.exp(
        -((y - centre_y) ** 2 * stretch + (x - centre_x) ** 2 / stretch) / (2 * reach**2)
    ).astype(np.float32)
    return bump


def _shaded(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """The picture shifted by 20 to 90 levels, up or down, nearly alike in all channels."""
    shift = rng.choice((-1, 1)) * rng.uniform(20, 90) + rng.normal(0, 8, 3)
    shaded: UInt8Image = np.clip(picture.astype(np.float32) + shift, 0, 255).astype(np.uint8)
    return shaded


def _blend(under: UInt8Image, over: UInt8Image, mask: Float32Array) -> UInt8Image:
    """mask: float32 (height, width) in [0, 1], 1 where `over` shows."""
    share = mask[..., None]
    blended: UInt8Image = (under * (1 - share) + over * share + 0.5).astype(np.uint8)
    return blended
