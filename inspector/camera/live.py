"""Network streams and cameras of this machine."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from inspector.camera.capture import Capture, shot_of
from inspector.camera.source import Shot, SourceError, SourceLostError, without_password
from inspector.told import Told
from inspector.types import UInt8Image

_LOOK_S = 0.2
_TOLD_AFTER_S = 10.0
_BROKEN_AFTER_S = 1.0
"""So long no picture can be read, and it is opened again."""

_NEXT_READ_S = 0.02
_NEXT_TRY_S = 1.0
_LEFT_WITHIN_S = 10.0


class LiveSource:
    """A stream or device, until `stop` is set. A thread takes every picture off it, so that the newest is at hand and
    none is stale, and opens it again where it breaks off.

    size_wh: pixels that a device is asked for. patience_s: how long to wait for a picture. on_notice: told where none
    comes, and when one comes again.
    """

    def __init__(
        self,
        name: str,
        *,
        size_wh: tuple[int, int] | None = None,
        stop: threading.Event | None = None,
        on_notice: Callable[[str], None] = lambda _: None,
        patience_s: float = 120.0,
    ) -> None:
        self._name = name
        self._size_wh = size_wh
        self._shown = without_password(name)
        self._stop = stop or threading.Event()
        self._on_notice = on_notice
        self._told = Told(on_notice)
        self._patience_s = patience_s
        self._left = threading.Event()
        self._fresh = threading.Condition()
        self._newest: bytes | UInt8Image | None = None
        self._overtaken = self._lost = 0
        self._asked = self._broken = self._ended = False
        self._fault: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def fps(self) -> float | None:
        """A stream is its own clock: a picture is sent when there is a new one."""
        return 0.0

    def shots(self) -> Iterator[Shot]:
        """The newest picture each time, never the same twice. `lost` counts what could not be read while it was waited
        for; after a break, whose pictures nobody can count, it is one.

        Raises:
            SourceLostError: it ended, gave no picture for as long as `patience_s`, or a fault here ended the reading.
        """
        while (shot := self._next()) is not None:
            yield shot

    def __enter__(self) -> "LiveSource":
        capture = Capture(self._name, self._size_wh)
        if "://" in self._name and not capture.is_mjpeg:
            self._on_notice(
                f"{self._shown} is not MJPEG: a picture that is damaged on its way may look sound; set the camera to "
                "MJPEG, or let it write files (--watch)"
            )
        self._thread = threading.Thread(target=self._take, args=(capture,), name="capture", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._left.set()
        if self._thread is not None:
            self._thread.join(timeout=_LEFT_WITHIN_S)

    def _next(self) -> Shot | None:
        """The newest picture; None once `stop` is set."""
        since = time.monotonic()
        with self._fresh:
            self._asked = self._newest is None
            while self._newest is None and not self._ended and time.monotonic() < since + self._patience_s:
                if self._stop.is_set():
                    return None
                self._fresh.wait(_LOOK_S)
                if self._broken or time.monotonic() > since + _TOLD_AFTER_S:
                    self._told.once("away", f"no picture comes from {self._shown}; it is opened again until one does")
            picture, self._newest = self._newest, None
            overtaken, self._overtaken = self._overtaken, 0
            lost, self._lost = self._lost, 0
            self._broken = False
        if picture is None and self._fault is not None:
            raise SourceLostError(
                f"source {self._shown!r}: this machine cannot take its pictures ({type(self._fault).__name__}: "
                f"{self._fault}); its trace says where; start again"
            ) from self._fault
        if picture is None:
            raise SourceLostError(
                f"source {self._shown!r}: "
                + ("the stream ended" if self._ended else f"no picture for {self._patience_s:.0f} s")
                + "; check the camera and its network, then start again"
            )
        self._told.over("away", f"pictures come from {self._shown} again; those in between are missing")
        return replace(shot_of(picture), overtaken=overtaken, lost=lost)

    def _take(self, capture: Capture) -> None:
        """Takes pictures until this source is left, or a stream that says how long it is has ended. A fault is kept for
        who asks for pictures, and its trace is shown as that of any thread.
        """
        try:
            while (opened := self._take_from(capture)) is not None:
                capture = opened
        except Exception as error:
            self._fault = error
            raise
        finally:
            with self._fresh:
                self._ended = True
                self._fresh.notify_all()

    def _take_from(self, capture: Capture) -> Capture | None:
        """Takes pictures until they break off; then it is opened again. None where there will be no more."""
        try:
            failing_since: float | None = None
            while not self._left.is_set():
                picture = capture.read()
                now = time.monotonic()
                failing_since = None if picture is not None else failing_since or now
                if failing_since is not None and now - failing_since > _BROKEN_AFTER_S:
                    break
                self._note(picture)
                if picture is None:
                    self._left.wait(_NEXT_READ_S)
            endless = capture.length == 0
        finally:
            capture.release()
        if not endless:
            return None
        with self._fresh:
            self._broken, self._lost = True, min(self._lost, 1)
            self._fresh.notify_all()
        while not self._left.is_set():
            with suppress(SourceError):
                return Capture(self._name, self._size_wh)
            self._left.wait(_NEXT_TRY_S)
        return None

    def _note(self, picture: bytes | UInt8Image | None) -> None:
        with self._fresh:
            if picture is None:
                self._lost += self._asked
                return
            self._overtaken += self._newest is not None
            self._newest, self._asked = picture, False
            self._fresh.notify_all()
