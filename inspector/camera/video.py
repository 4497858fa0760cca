"""Video files, network streams and cameras of this machine, through OpenCV. Pictures leave as JPEG of high quality."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from inspector.camera.source import Shot, SourceError, SourceLostError, without_password
from inspector.types import UInt8Image

_JPEG_QUALITY = 95
_NEWEST_WITHIN_S = 10.0

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class FileSource:
    """A video file: every picture, in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fps: float | None = None

    @property
    def fps(self) -> float | None:
        """The rate it was recorded at, where the file says so."""
        return self._fps

    def shots(self) -> Iterator[Shot]:
        """The pictures from the beginning; the part id is the file's name and the picture's number.

        Raises:
            SourceError: the file is no video that OpenCV reads.
        """
        capture = _opened(str(self._path))
        try:
            number = 0
            while True:
                got, picture = capture.read()
                if not got:
                    break
                yield _encoded(np.asarray(picture, dtype=np.uint8), f"{self._path.stem[:100]}-{number:06d}")
                number += 1
        finally:
            capture.release()
        if number == 0:
            raise SourceError(f"source {str(self._path)!r}: a video without a picture that can be decoded")

    def __enter__(self) -> "FileSource":
        capture = _opened(str(self._path))
        rate = capture.get(cv2.CAP_PROP_FPS)
        self._fps = rate if 0 < rate <= 1000 else None
        capture.release()
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class LiveSource:
    """A stream or device. A thread takes every picture off it, so that the newest is at hand and none is stale."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fresh = threading.Condition()
        self._newest: UInt8Image | None = None
        self._overtaken = 0
        self._ended = False
        self._thread: threading.Thread | None = None
        self._capture: cv2.VideoCapture | None = None

    @property
    def fps(self) -> float | None:
        """A stream is its own clock: a picture is sent when there is a new one."""
        return 0.0

    def shots(self) -> Iterator[Shot]:
        """The newest picture each time, never the same twice.

        Raises:
            SourceLostError: the stream ended, or gave nothing for ten seconds.
        """
        while True:
            with self._fresh:
                self._fresh.wait_for(lambda: self._newest is not None or self._ended, timeout=_NEWEST_WITHIN_S)
                picture, self._newest = self._newest, None
                overtaken, self._overtaken = self._overtaken, 0
            if picture is None:
                raise SourceLostError(
                    f"source {without_password(self._name)!r}: "
                    + ("the stream ended" if self._ended else f"no picture for {_NEWEST_WITHIN_S:.0f} s")
                    + "; check the camera and its network, then start again"
                )
            yield replace(_encoded(picture, None), overtaken=overtaken)

    def __enter__(self) -> "LiveSource":
        self._capture = _opened(self._name)
        self._thread = threading.Thread(target=self._take, args=(self._capture,), name="capture", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._fresh:
            self._ended = True
        if self._thread is not None:
            self._thread.join(timeout=_NEWEST_WITHIN_S)
        if self._capture is not None and self._thread is not None and not self._thread.is_alive():
            self._capture.release()

    def _take(self, capture: cv2.VideoCapture) -> None:
        while not self._ended:
            got, picture = capture.read()
            with self._fresh:
                if got:
                    self._overtaken += self._newest is not None
                    self._newest = np.asarray(picture, dtype=np.uint8)
                else:
                    self._ended = True
                self._fresh.notify_all()


def _opened(name: str) -> cv2.VideoCapture:
    try:
        name.encode()
    except UnicodeEncodeError as error:  # given such a name, OpenCV crashes
        raise SourceError(
            f"source {without_password(name)!r}: its name is no UTF-8, expected a video of another name"
        ) from error
    capture = cv2.VideoCapture(int(name)) if name.isdigit() else cv2.VideoCapture(name)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"source {without_password(name)!r}: cannot be opened as video; expected a file, stream or device that "
            "OpenCV reads"
        )
    return capture


def _encoded(picture_bgr: UInt8Image, part_id: str | None) -> Shot:
    _, encoded = cv2.imencode(".jpg", picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return Shot(encoded.tobytes(), "image/jpeg", part_id)
