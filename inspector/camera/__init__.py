"""A camera station: takes pictures from a folder, a video, a stream, a device or the drawn product, and publishes."""

from inspector.camera.options import CameraOptions
from inspector.camera.publish import CameraSummary, publish
from inspector.camera.source import Answer, Shot, SourceError, SourceLostError, open_source
from inspector.camera.uplink import FrameTally

__all__ = [
    "Answer",
    "CameraOptions",
    "CameraSummary",
    "FrameTally",
    "Shot",
    "SourceError",
    "SourceLostError",
    "open_source",
    "publish",
]
