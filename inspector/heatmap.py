"""The anomaly map as a picture for people: transparent where normal, the warmer the more anomalous."""

import cv2
import numpy as np

from inspector.types import Float32Array, UInt8Image

SPAN = (0.6, 1.4)
"""Where the colour scale begins and ends, in pixel thresholds: normal patches lie below, plain defects above."""


def colour(anomaly_map: Float32Array, pixel_threshold: float) -> UInt8Image:
    """float32 (height, width) -> uint8 (height, width, 4) RGBA: transparent below SPAN, opaque yellow at its end.

    The palette (cividis) reads the same to colour-blind eyes; the threshold lies in its middle.
    """
    low, high = SPAN
    level = np.clip((anomaly_map / max(pixel_threshold, 1e-9) - low) / (high - low), 0, 1)
    palette = cv2.applyColorMap((level * 255).astype(np.uint8), cv2.COLORMAP_CIVIDIS)
    opacity = np.clip(level * 1.5, 0, 1) * 200
    rgba: UInt8Image = np.dstack([palette[..., ::-1], opacity.astype(np.uint8)])
    return rgba


def render_png(anomaly_map: Float32Array, pixel_threshold: float) -> bytes:
    """The coloured map as a PNG with transparency, at the map's size."""
    rgba = colour(anomaly_map, pixel_threshold)
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1])


def overlay(pixels: UInt8Image, anomaly_map: Float32Array, pixel_threshold: float) -> UInt8Image:
    """The map over the picture it was made of: uint8 (height, width, 3) RGB, at the picture's size."""
    height, width = pixels.shape[:2]
    rgba = cv2.resize(colour(anomaly_map, pixel_threshold), (width, height), interpolation=cv2.INTER_LINEAR)
    opacity = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(pixels * (1 - opacity) + rgba[..., :3] * opacity).astype(np.uint8)
