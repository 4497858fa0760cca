"""Procedural textures: surfaces drawn from random numbers, so that training sees more materials than its pictures show.

Fractal noise after Perlin, "An Image Synthesizer", SIGGRAPH 1985, as value noise on octaves; cells after Worley, "A
Cellular Texture Basis Function", SIGGRAPH 1996; oriented noise in the spirit of Lagae et al., "Procedural Noise using
Sparse Gabor Convolution", SIGGRAPH 2009. A field is float32 (size, size) in [0, 1]; a texture uint8 (size, size, 3).
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from inspector.types import Float32Array, UInt8Image


def fractal_noise(rng: Generator, size: int) -> Float32Array:
    """Octaves of value noise, each twice as fine as the one before and weaker by a random persistence."""
    field = np.zeros((size, size), np.float32)
    persistence = rng.uniform(0.4, 0.95)
    cells = int(rng.integers(2, 9))
    weight = 1.0
    while cells <= size:
        octave = rng.standard_normal((cells, cells), dtype=np.float32)
        field += np.float32(weight) * cv2.resize(octave, (size, size), interpolation=cv2.INTER_CUBIC)
        weight *= persistence
        cells *= 2
    return _unit(field)


def gratings(rng: Generator, size: int) -> Float32Array:
    """One to four plane waves, sinusoidal or squared off."""
    y, x = _grid(size)
    field = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(size / 2)))
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + rng.uniform(0, 6.3))
        field += np.tanh(wave * rng.uniform(0.5, 6)).astype(np.float32)
    return _unit(field)


def gabor_noise(rng: Generator, size: int) -> Float32Array:
    """White noise through a Gabor kernel: oriented, band-limited grain."""
    wavelength, angle = rng.uniform(4, 20), rng.uniform(0, np.pi)
    kernel = cv2.getGaborKernel((31, 31), rng.uniform(2, 7), angle, wavelength, rng.uniform(0.2, 1.0), 0.0)
    noise = rng.standard_normal((size, size), dtype=np.float32)
    return _unit(np.asarray(cv2.filter2D(noise, cv2.CV_32F, kernel), np.float32))


def brushed(rng: Generator, size: int) -> Float32Array:
    """Brushed metal: noise smeared along one direction, over a soft gradient."""
    noise = rng.standard_normal((2 * size, 2 * size), dtype=np.float32)
    along, across = float(rng.uniform(8, 60)), float(rng.uniform(0.4, 1.5))
    smeared = cv2.GaussianBlur(noise, (0, 0), sigmaX=along, sigmaY=across)
    turn = cv2.getRotationMatrix2D((float(size), float(size)), rng.uniform(0, 180), 1.0)
    turned = np.asarray(cv2.warpAffine(smeared, turn, (2 * size, 2 * size)), np.float32)
    middle = slice(size // 2, size // 2 + size)
    return _unit(_unit(turned[middle, middle]) + np.float32(rng.uniform(0, 1)) * fractal_noise(rng, size))


def weave(rng: Generator, size: int) -> Float32Array:
    """Over-and-under threads of a plain weave or twill, bent by slow noise."""
    y, x = _grid(size)
    period, bend = rng.uniform(6, 40), rng.uniform(0, 8)
    x = x + bend * fractal_noise(rng, size)
    y = y + bend * fractal_noise(rng, size)
    u, v = x / period, y / period
    float_length = int(rng.integers(2, 5))
    over = (np.floor(u) + np.floor(v)) % float_length < 1
    thread = np.where(over, np.abs(np.sin(np.pi * u)), np.abs(np.sin(np.pi * v)))
    return _unit(thread.astype(np.float32) * np.where(over, 1.0, rng.uniform(0.4, 1.0)).astype(np.float32))


def cells(rng: Generator, size: int) -> Float32Array:
    """Cells around random seeds: grains with a level each, or the distance to the nearest seed."""
    seeds = np.full((size, size), 255, np.uint8)
    count = int(np.exp(rng.uniform(np.log(10), np.log(900))))
    seeds[rng.integers(0, size, count), rng.integers(0, size, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    if rng.random() < 0.5:
        return _unit(distance.astype(np.float32))
    levels = rng.random(int(labels.max()) + 1, dtype=np.float32)
    grains: Float32Array = levels[labels]
    return _unit(grains + np.float32(rng.uniform(0, 0.4)) * fractal_noise(rng, size))


def speckle(rng: Generator, size: int) -> Float32Array:
    """Grain of a random size, thinned to blobs or left as noise."""
    noise = rng.standard_normal((size, size), dtype=np.float32)
    noise = _unit(np.asarray(cv2.GaussianBlur(noise, (0, 0), sigmaX=float(rng.uniform(0.5, 5))), np.float32))
    if rng.random() < 0.5:
        noise = np.clip((noise - np.float32(rng.uniform(0.45, 0.75))) * 8, 0, 1).astype(np.float32)
    return _unit(noise)


def tiles(rng: Generator, size: int) -> Float32Array:
    """A repeated motif on a lattice: holes, pads, bricks."""
    pitch = int(rng.integers(12, max(13, size // 3)))
    motif = np.zeros((pitch, pitch), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(rng.integers(0, pitch)), int(rng.integers(0, pitch)))
        reach = int(rng.integers(2, max(3, pitch // 2)))
        level = float(rng.uniform(0.2, 1))
        if rng.random() < 0.5:
            cv2.circle(motif, centre, reach, level, -1, cv2.LINE_AA)
        else:
            cv2.rectangle(motif, centre, (centre[0] + reach, centre[1] + reach // 2 + 1), level, -1)
    repeats = size // pitch + 1
    field = np.tile(motif, (repeats, repeats))[:size, :size]
    return _unit(field + np.float32(rng.uniform(0, 0.5)) * fractal_noise(rng, size))


FIELDS: tuple[Callable[[Generator, int], Float32Array], ...] = (
    fractal_noise,
    gratings,
    gabor_noise,
    brushed,
    weave,
    cells,
    speckle,
    tiles,
)


def draw_texture(rng: Generator, size: int) -> UInt8Image:
    """One texture, or two blended by a third field, coloured through a random ramp; grey in four of ten."""
    field = _pick(rng)(rng, size)
    if rng.random() < 0.4:
        share = np.float32(rng.uniform(0.2, 0.8))
        field = _unit(field * (1 - share) + _pick(rng)(rng, size) * share)
    picture = _coloured(rng, field)
    if rng.random() < 0.25:
        mask = (fractal_noise(rng, size) > rng.uniform(0.4, 0.6))[..., None]
        picture = np.where(mask, _coloured(rng, _pick(rng)(rng, size)), picture)
    return picture


def _pick(rng: Generator) -> Callable[[Generator, int], Float32Array]:
    return FIELDS[int(rng.integers(len(FIELDS)))]


def _coloured(rng: Generator, field: Float32Array) -> UInt8Image:
    """The field through a ramp of two to four colours, or of greys."""
    knots = int(rng.integers(2, 5))
    channels = 1 if rng.random() < 0.4 else 3
    ramp = rng.uniform(0, 255, (knots, channels)).astype(np.float32)
    table = cv2.resize(ramp.reshape(knots, 1, channels), (1, 256), interpolation=cv2.INTER_LINEAR).reshape(
        256, channels
    )
    table = np.broadcast_to(table, (256, 3))
    picture: UInt8Image = table[(field * 255).astype(np.uint8)].astype(np.uint8)
    return picture


def _grid(size: int) -> tuple[Float32Array, Float32Array]:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return y, x


def _unit(field: Float32Array) -> Float32Array:
    """Stretched to [0, 1]; a flat field becomes zero."""
    low, high = float(field.min()), float(field.max())
    stretched: Float32Array = ((field - low) / max(high - low, 1e-6)).astype(np.float32)
    return stretched
