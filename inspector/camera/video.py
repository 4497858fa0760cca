"""Video files."""

from collections.abc import Iterator
from pathlib import Path

from inspector.camera.capture import Capture, shot_of
from inspector.camera.source import Shot, SourceError


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
        capture = Capture(str(self._path))
        try:
            number = 0
            while (picture := capture.read()) is not None:
                yield shot_of(picture, f"{self._path.stem[:100]}-{number:06d}")
                number += 1
        finally:
            capture.release()
        if number == 0:
            raise SourceError(f"source {str(self._path)!r}: a video without a picture that can be decoded")

    def __enter__(self) -> "FileSource":
        capture = Capture(str(self._path))
        self._fps = capture.fps
        capture.release()
        return self

    def __exit__(self, *exc: object) -> None:
        pass
