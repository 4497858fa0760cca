"""Network streams and cameras of this machine."""

import threading
from collections.abc import Iterator
from dataclasses import replace

from inspector.camera.capture import Capture, shot_of
from inspector.camera.source import Shot, SourceLostError, without_password
from inspector.types import UInt8Image

_NEWEST_WITHIN_S = 10.0


class LiveSource:
    """A stream or device. A thread takes every picture off it, so that the newest is at hand and none is stale."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fresh = threading.Condition()
        self._newest: bytes | UInt8Image | None = None
        self._overtaken = 0
        self._ended = False
        self._thread: threading.Thread | None = None
        self._capture: Capture | None = None

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
            yield replace(shot_of(picture), overtaken=overtaken)

    def __enter__(self) -> "LiveSource":
        self._capture = Capture(self._name)
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

    def _take(self, capture: Capture) -> None:
        while not self._ended:
            picture = capture.read()
            with self._fresh:
                if picture is not None:
                    self._overtaken += self._newest is not None
                    self._newest = picture
                else:
                    self._ended = True
                self._fresh.notify_all()
