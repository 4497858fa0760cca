"""Training crops: a piece of a picture or texture at a random scale, light and sensor.

Random resized crops after Szegedy et al., "Going Deeper with Convolutions", CVPR 2015; a consistent, aggressive
augmentation seen by teacher and student alike after Beyer et al., "Knowledge distillation: A good teacher is patient
and consistent", CVPR 2022.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from calibration.distill.pictures import PictureFolder
from calibration.drawing.defects import add_defect
from calibration.drawing.textures import draw_texture
from inspector.types import UInt8Image


@dataclass(frozen=True, slots=True)
class CropMix:
    """How crops are drawn.

    size: their side in pixels. texture_share: the share that begins as a drawn texture, [0, 1]. defect_share: the share
    that gets a synthetic defect, [0, 1]. min_area: the smallest share of a picture's area that fills a crop, (0, 1].
    """

    size: int = 192
    texture_share: float = 0.2
    defect_share: float = 0.3
    min_area: float = 0.08


def draw_crop(rng: Generator, folders: Sequence[PictureFolder], weights: Sequence[float], mix: CropMix) -> UInt8Image:
    """One crop: uint8 (size, size, 3). weights: how often each folder is drawn from; they add up to 1."""
    crop = _scene(rng, folders, weights, mix)
    if rng.random() < mix.defect_share:
        crop = add_defect(rng, crop, _scene(rng, folders, weights, mix))
    return photometric(rng, crop)


def _scene(rng: Generator, folders: Sequence[PictureFolder], weights: Sequence[float], mix: CropMix) -> UInt8Image:
    if not folders or rng.random() < mix.texture_share:
        return random_crop(rng, draw_texture(rng, 256), mix.size, 0.15)
    pictures = folders[int(rng.choice(len(folders), p=weights))].training
    return random_crop(rng, pictures[int(rng.integers(len(pictures)))], mix.size, mix.min_area)


def random_crop(rng: Generator, picture: UInt8Image, size: int, min_area: float) -> UInt8Image:
    """A piece of at least `min_area` of the picture, of a side ratio up to 1.6 : 1, scaled to a square, mirrored and
    turned by quarter turns at random.
    """
    height, width = picture.shape[:2]
    area = np.exp(rng.uniform(np.log(min_area), 0))
    stretch = np.exp(rng.uniform(-0.24, 0.24))
    crop_h = int(np.clip(height * np.sqrt(area) * stretch, 16, height))
    crop_w = int(np.clip(width * np.sqrt(area) / stretch, 16, width))
    top, left = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
    piece = picture[top : top + crop_h, left : left + crop_w]
    shrinks = crop_h > size and crop_w > size
    how = cv2.INTER_AREA if shrinks and rng.random() < 0.6 else cv2.INTER_LINEAR
    piece = cv2.resize(piece, (size, size), interpolation=how).astype(np.uint8)
    piece = np.rot90(piece, int(rng.integers(4)))
    return np.ascontiguousarray(piece[:, ::-1] if rng.random() < 0.5 else piece)


def noisy(rng: Generator, crops: UInt8Image, share: float) -> UInt8Image:
    """Some of the crops, uint8 (n, size, size, 3), with sensor noise of up to 12 grey levels, each channel its own.

    The student sees these and learns what the teacher says about the clean ones (as Xie et al., "Self-training with
    Noisy Student", CVPR 2020, do with labels): patch features that a dark corner or a high gain does not move.
    """
    picked = rng.random(len(crops)) < share
    strength = rng.uniform(1, 12, (len(crops), 1, 1, 1)).astype(np.float32)[picked]
    grain = rng.standard_normal((int(picked.sum()), *crops.shape[1:]), dtype=np.float32)
    out = crops.copy()
    out[picked] = np.clip(np.rint(crops[picked] + strength * grain), 0, 255).astype(np.uint8)
    return out


def photometric(rng: Generator, picture: UInt8Image) -> UInt8Image:
    """Gain, offset, gamma, colour cast, loss of colour, blur, sensor noise and JPEG, each at random."""
    light = picture.astype(np.float32)
    if rng.random() < 0.3:
        light[:] = light.mean(axis=2, keepdims=True)
    if rng.random() < 0.7:
        light = (light - 128) * np.float32(np.exp(rng.uniform(-0.5, 0.4))) + np.float32(128 + rng.uniform(-40, 40))
    if rng.random() < 0.3:
        light *= rng.uniform(0.8, 1.2, 3).astype(np.float32)
    if rng.random() < 0.3:
        light = 255 * np.power(np.clip(light, 0, 255) / 255, np.float32(np.exp(rng.uniform(-0.6, 0.6))))
    if rng.random() < 0.15:
        light = cv2.GaussianBlur(light, (0, 0), sigmaX=float(rng.uniform(0.4, 1.6))).astype(np.float32)
    if rng.random() < 0.25:
        grain = rng.standard_normal(light.shape[:2], dtype=np.float32)[..., None]
        light = light + grain * np.float32(rng.uniform(1, 10))
    finished: UInt8Image = np.clip(light, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        _, coded = cv2.imencode(".jpg", finished, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])
        finished = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return finished
