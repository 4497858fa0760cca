"""What OpenCV opens as video: a file, a network stream or a camera of this machine, picture by picture."""

import os

import cv2
import numpy as np

from inspector.camera.source import Shot, SourceError, without_password
from inspector.types import UInt8Image

_JPEG_QUALITY = 95
_MJPEG = cv2.VideoWriter.fourcc(*"MJPG")
_AS_IT_IS = -1
"""Of CAP_PROP_FORMAT: pictures are not decoded."""

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_OPTIONS_OF_STREAMS = "rtsp_flags;prefer_tcp|fflags;+discardcorrupt"
"""The first is OpenCV's own. The second leaves out pictures of which the stream itself tells that a part is missing."""

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Capture:
    """An open video. Pictures of MJPEG stay the camera's own bytes: OpenCV would fill what is missing of one from the
    picture before it, and say nothing. Those of other codecs, and of a camera of this machine, are decoded.

    size_wh: pixels that a camera of this machine is asked for; without that OpenCV takes 640x480. is_mjpeg: each of its
    pictures is a JPEG by itself.

    Raises:
        SourceError: OpenCV cannot open it, or it gives another size.
    """

    def __init__(self, name: str, size_wh: tuple[int, int] | None = None) -> None:
        self._video = _opened(name)
        if size_wh is not None:
            _ask(self._video, name, size_wh)
        self.is_mjpeg = int(self._video.get(cv2.CAP_PROP_FOURCC)) == _MJPEG
        by_ffmpeg = self._video.getBackendName() == "FFMPEG"
        self._as_it_is = self.is_mjpeg and by_ffmpeg and self._video.set(cv2.CAP_PROP_FORMAT, _AS_IT_IS)

    @property
    def fps(self) -> float | None:
        """Pictures a second, where it says so."""
        rate = self._video.get(cv2.CAP_PROP_FPS)
        return rate if 0 < rate <= 1000 else None

    @property
    def length(self) -> int:
        """How many pictures it says that it has; 0 where it has no end."""
        return max(0, int(self._video.get(cv2.CAP_PROP_FRAME_COUNT)))

    def read(self) -> bytes | UInt8Image | None:
        """The next picture, a JPEG or (height, width, 3) in BGR; None where there is none that can be read."""
        got, picture = self._video.read()
        if not got:
            return None
        return picture.tobytes() if self._as_it_is else np.asarray(picture, dtype=np.uint8)

    def release(self) -> None:
        """Closes it."""
        self._video.release()


def shot_of(picture: bytes | UInt8Image, part_id: str | None = None) -> Shot:
    """A picture that was read: what was decoded leaves as JPEG of high quality."""
    if not isinstance(picture, bytes):
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        picture = encoded.tobytes()
    return Shot(picture, "image/jpeg", part_id)


def _opened(name: str) -> cv2.VideoCapture:
    try:
        name.encode()
    except UnicodeEncodeError as error:  # given such a name, OpenCV crashes
        raise SourceError(
            f"source {without_password(name)!r}: its name is no UTF-8, expected a video of another name"
        ) from error
    if "://" in name:
        os.environ.setdefault(_OPTIONS, _OPTIONS_OF_STREAMS)
    video = cv2.VideoCapture(int(name)) if name.isdigit() else cv2.VideoCapture(name)
    if not video.isOpened():
        video.release()
        raise SourceError(
            f"source {without_password(name)!r}: cannot be opened as video; expected a file, stream or device that "
            "OpenCV reads"
        )
    return video


def _ask(device: cv2.VideoCapture, name: str, size_wh: tuple[int, int]) -> None:
    """For a size, and for MJPEG, in which alone most cameras give their larger ones."""
    sides = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
    device.set(cv2.CAP_PROP_FOURCC, _MJPEG)
    for side, pixels in zip(sides, size_wh, strict=True):
        device.set(side, pixels)
    width, height = (int(device.get(side)) for side in sides)
    if (width, height) != size_wh:
        device.release()
        raise SourceError(
            f"source {name!r}: gives {width}x{height} pixels, --size asks for {size_wh[0]}x{size_wh[1]}; "
            "`v4l2-ctl --list-formats-ext` shows which sizes it has"
        )
