"""Pictures inside the page: small JPEGs as data URIs, with the anomaly map over them and the mask's outline."""

from base64 import b64encode

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector import frame as decoder
from inspector.heatmap import SPAN, overlay, shade
from inspector.patches import view_of
from inspector.recipe import Recipe
from inspector.thumbnail import fitted, jpeg
from inspector.types import Float32Array, UInt8Image
from inspector.window import view_counts

LONGER_SIDE = 320
"""Of a picture in the page, pixels."""

QUALITY = 80
"""Of its JPEG; a picture of nothing but noise then has about 60 kB."""


def small_view(payload: bytes, recipe: Recipe, *, shaded: bool = True) -> UInt8Image:
    """What the recipe inspects of an encoded picture, undistorted: uint8 (height, width, 3) RGB, at most LONGER_SIDE.

    shaded: grey and dim outside the region of interest.

    Raises:
        FrameError: the payload is no picture that can be inspected.
    """
    frame = decoder.decode(payload)
    view = view_of(frame, recipe)
    pixels, _ = fitted(view.cut(frame.pixels), (LONGER_SIDE, LONGER_SIDE))
    return shade(pixels, view_counts(recipe, (pixels.shape[1], pixels.shape[0]))) if shaded else pixels


def with_map(
    pixels: UInt8Image, anomaly_map: Float32Array, pixel_threshold: float, mask: NDArray[np.bool_] | None = None
) -> UInt8Image:
    """The anomaly map, float32 (h, w), over the picture, and where there is a mask, bool (h, w), its outline."""
    drawn = overlay(pixels, anomaly_map, pixel_threshold)
    if mask is None or not mask.any():
        return drawn
    height, width = pixels.shape[:2]
    large = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.drawContours(drawn, outlines, -1, colour, thickness, cv2.LINE_AA)
    return drawn


def stretch(anomaly_map: Float32Array) -> tuple[Float32Array, float]:
    """A map, float32 (h, w), and the threshold by which its colours run from its own median to its own highest value.

    It shows where a map is highest although all of it is below the bank's threshold. What is 0, outside a region of
    interest, is left out of the median.
    """
    counted = anomaly_map[anomaly_map > 0]
    (low, high), median = SPAN, float(np.median(counted)) if counted.size else 0.0
    above = (anomaly_map - median) / max(float(anomaly_map.max()) - median, 1e-9)
    return low + above * (high - low), 1.0


def data_uri(pixels: UInt8Image) -> str:
    """A JPEG of uint8 (height, width, 3) RGB, as a data URI."""
    return "data:image/jpeg;base64," + b64encode(jpeg(pixels, QUALITY)).decode()
