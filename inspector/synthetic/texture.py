"""Grain: float32 noise fields with mean 0 and standard deviation 1, drawn once and cut anew for each frame.

Every field is (height, width); the same generator state gives the same field.
"""

import cv2
import numpy as np

from inspector.types import Float32Array


def smooth(rng: np.random.Generator, shape_hw: tuple[int, int], sigma_xy: tuple[float, float]) -> Float32Array:
    """White noise blurred by `sigma_xy` pixels, wrapped at the borders so that it can be rolled."""
    height, width = shape_hw
    noise = rng.standard_normal(shape_hw, dtype=np.float32)
    pad_x, pad_y = (min(int(4 * sigma) + 1, side) for sigma, side in ((sigma_xy[0], width), (sigma_xy[1], height)))
    wrapped = np.pad(noise, ((pad_y, pad_y), (pad_x, pad_x)), mode="wrap")
    kernel_wh = (2 * int(3 * sigma_xy[0]) + 1, 2 * int(3 * sigma_xy[1]) + 1)
    blurred = cv2.GaussianBlur(wrapped, kernel_wh, sigmaX=max(sigma_xy[0], 0.1), sigmaY=max(sigma_xy[1], 0.1))
    inner = blurred[pad_y : pad_y + height, pad_x : pad_x + width]
    return normalised(np.asarray(inner, dtype=np.float32))


def brushed(rng: np.random.Generator, shape_hw: tuple[int, int], scale: float) -> Float32Array:
    """Straight brush marks along x: fine short lines over longer, broader ones."""
    fine = smooth(rng, shape_hw, (9 * scale, 0.5 * scale))
    long = smooth(rng, shape_hw, (40 * scale, 0.9 * scale))
    broad = smooth(rng, shape_hw, (60 * scale, 5 * scale))
    return normalised(fine + 0.8 * long + 0.5 * broad)


def turned(rng: np.random.Generator, size: int, scale: float) -> Float32Array:
    """Marks of a lathe tool: rings about the centre of a square field, each broken along its way."""
    radii = int(size * 0.75)
    rings = smooth(rng, (720, radii), (0.6 * scale, 22)) + 1.1 * smooth(rng, (720, radii), (0.9 * scale, 160))
    polar = normalised(rings)
    centre = (size - 1) / 2
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) - centre
    radius = np.hypot(x, y)
    turn = np.mod(np.arctan2(y, x) / (2 * np.pi), 1.0) * (polar.shape[0] - 1)
    grain = cv2.remap(polar, radius.astype(np.float32), turn.astype(np.float32), cv2.INTER_LINEAR)
    return normalised(np.asarray(grain, dtype=np.float32))


def cast(rng: np.random.Generator, shape_hw: tuple[int, int], scale: float) -> Float32Array:
    """The isotropic orange peel of a casting or a moulded mat."""
    fine, coarse = (smooth(rng, shape_hw, (sigma * scale, sigma * scale)) for sigma in (0.8, 2.2))
    return normalised(fine + 0.9 * coarse)


def normalised(field: Float32Array) -> Float32Array:
    """The field with mean 0 and standard deviation 1."""
    centred = field - field.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-6), dtype=np.float32)
