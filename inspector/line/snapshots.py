"""Small pictures of what the stations see, for whoever looks at the line: seldom, and only while somebody looks."""

import threading
import time
from collections.abc import Callable

from inspector import frame as decoder
from inspector.errors import FrameError
from inspector.guarded import guarded
from inspector.line.health import Health
from inspector.store import NewestPictures
from inspector.thumbnail import fitted, jpeg
from inspector.types import Frame, StationId

EVERY_S = 2.0
"""No more than one picture of a station in this time."""

Seen = Frame | bytes
"""What came: decoded, as it was inspected; or encoded, at a station that has no bank yet."""

FITS_WH = (480, 360)
"""What a picture fits in, pixels."""

_ABOUT = "pictures of the line"
_ENDS_WITHIN_S = 5.0


class Snapshots:
    """Draws them in a thread of its own, so that no frame waits for the disk. One that is late is left out."""

    def __init__(
        self, pictures: NewestPictures, health: Health, *, max_pixels: int, on_fault: Callable[[BaseException], None]
    ) -> None:
        self._pictures = pictures
        self._health = health
        self._max_pixels = max_pixels
        self._next: dict[StationId, float] = {}
        self._due: dict[StationId, Seen] = {}
        self._wake = threading.Condition()
        self._closing = False
        self._thread = guarded("snapshots", self._run, on_fault)

    def __enter__(self) -> "Snapshots":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Draws no more; a disk that hangs is not waited for."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(_ENDS_WITHIN_S)

    def seen(self, station: StationId, seen: Seen) -> None:
        """A frame came. Costs the thread that calls it next to nothing."""
        now = time.monotonic()
        if now < self._next.get(station, now):
            return
        self._next[station] = now + EVERY_S
        with self._wake:
            self._due[station] = seen
            self._wake.notify()

    def _run(self) -> None:
        while (due := self._wait()) is not None:
            if self._pictures.asked():
                self._draw(due)
            due.clear()  # a large frame is not held until the next one

    def _wait(self) -> dict[StationId, Seen] | None:
        """What is due, at least one; None at the end."""
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._due)
            due, self._due = self._due, {}
            return None if self._closing else due

    def _draw(self, due: dict[StationId, Seen]) -> None:
        try:
            for station, seen in due.items():
                frame = seen if isinstance(seen, Frame) else self._decoded(seen)
                if frame is not None:
                    self._pictures.draw(str(station), jpeg(fitted(frame.pixels, FITS_WH)[0]))
        except OSError as error:
            self._health.warn(_ABOUT, f"cannot be written ({error.strerror}); make room, or make data_dir writable")
        else:
            self._health.warn(_ABOUT, None)

    def _decoded(self, payload: bytes) -> Frame | None:
        """None: it is no picture; its error says so to who sent it."""
        try:
            return decoder.decode(payload, max_pixels=self._max_pixels)
        except FrameError:
            return None
