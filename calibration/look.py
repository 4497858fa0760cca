"""How a picture looks, whatever it shows: sharpness, clipping, a thumbnail. Measured on what the backbone sees."""

from dataclasses import dataclass

import cv2
import numpy as np

from inspector.drift import BRIGHTEST, DARKEST
from inspector.types import Float32Array, UInt8Image

THUMBNAIL = 32
"""Side of the grey thumbnail by which pictures are compared, pixels."""


@dataclass(frozen=True, slots=True)
class Look:
    """sharpness: the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) over that of the grey picture, so that
    contrast and exposure cancel out. dark: share of pixels, 0..1, of which every channel is clipped to black. bright:
    share of pixels of which any channel is clipped to white. thumbnail: grey levels, float32 (THUMBNAIL ** 2,).
    """

    sharpness: float
    dark: float
    bright: float
    thumbnail: Float32Array


def look_of(picture: UInt8Image) -> Look:
    """The look of a picture, uint8 (height, width, 3) RGB."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    brightest_channel = picture.max(2)
    small = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return Look(
        sharpness=float((cv2.Laplacian(grey, cv2.CV_32F).var() + 1) / (grey.var() + 1)),
        dark=float((brightest_channel <= DARKEST).mean()),
        bright=float((brightest_channel >= BRIGHTEST).mean()),
        thumbnail=np.asarray(small, np.float32).ravel(),
    )
