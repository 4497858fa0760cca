"""Video files."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from inspector.camera.capture import Capture, shot_of
from inspector.camera.source import Shot, SourceError, printable

_MOST_FAILED = 10_000
"""So many reads in a row that failed are its end, which OpenCV tells in no other way. There they take 15 µs each."""


class FileSource:
    """A video file: every picture, in order. on_notice: told how many could not be decoded."""

    def __init__(self, path: Path, on_notice: Callable[[str], None]) -> None:
        self._path = path
        self._on_notice = on_notice
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
        number = decoded = lost = 0
        try:
            while lost < _MOST_FAILED:
                if (picture := capture.read()) is None:
                    lost += 1
                else:
                    yield replace(shot_of(picture, f"{self._path.stem[:100]}-{number:06d}"), lost=lost)
                    decoded += 1
                    lost = 0
                number += 1
            length = max(capture.length, number - lost)
        finally:
            capture.release()
        if decoded == 0:
            raise SourceError(f"source {str(self._path)!r}: a video without a picture that can be decoded")
        if decoded < length:
            self._on_notice(f"{printable(str(self._path))}: {decoded} of its {length} pictures could be decoded")

    def __enter__(self) -> "FileSource":
        capture = Capture(str(self._path))
        self._fps = capture.fps
        capture.release()
        return self

    def __exit__(self, *exc: object) -> None:
        pass
