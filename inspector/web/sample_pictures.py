"""Pictures of good samples for a browser, and those that come from one."""

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path

from inspector import frame as decoder
from inspector.errors import FrameError
from inspector.samples.folder import SampleFolder
from inspector.thumbnail import jpeg
from inspector.web.absence import placeholder
from inspector.web.picture import THUMBNAILS_BYTES, Picture, for_browser, shrunk
from inspector.web.recent import Recent

_THUMBNAILS = 1500
_AT_ONCE = 4


class SamplePictures:
    """Decodes one at a time: the line's machine has other work. Threads may share it.

    coming: so many pictures are in memory at most while they come.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._turn = threading.Lock()
        self._thumbnails = Recent[tuple[Path, int], Picture](
            _THUMBNAILS, most_bytes=THUMBNAILS_BYTES, weigh=lambda small: len(small.data)
        )
        self.coming = asyncio.Semaphore(_AT_ONCE)

    def thumbnail(self, file: Path) -> Picture:
        """A small JPEG; the reason in its place where the file is no picture. Raises OSError: it is not there."""
        return self._thumbnails.get((file, file.stat().st_mtime_ns), lambda: self._shrink(file))

    def picture(self, file: Path) -> Picture:
        """As it is; what browsers do not show, or would turn, as PNG. Raises OSError: it is not there."""
        data = file.read_bytes()
        try:
            with self._turn:
                return for_browser(data, file.suffix.lstrip(".").lower(), max_pixels=self._max_pixels)
        except FrameError as error:
            return _why(error)

    def take(self, samples: SampleFolder, data: bytes) -> str | None:
        """Adds a picture that was sent to the samples, under the time of its coming. The sample's name; None: it was
        there already.

        Raises:
            FrameError: it is none, or one that the line would refuse too.
            FullError, SamplesError: as `SampleFolder.add`.
        """
        with self._turn:
            decoder.decode(data, max_pixels=self._max_pixels)
        return samples.add(data, datetime.now(UTC))

    def _shrink(self, file: Path) -> Picture:
        data = file.read_bytes()
        try:
            with self._turn:
                small, _ = shrunk(data, file.suffix.lstrip(".").lower(), self._max_pixels)
        except (OSError, ValueError, FrameError) as error:
            return _why(error)
        return Picture(jpeg(small), "image/jpeg")


def _why(error: Exception) -> Picture:
    return Picture(placeholder(f"No sound picture: {error}"), "image/svg+xml")
