"""The synthetic cameras: one thread each, publishing through the real broker as `inspector camera` does."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from inspector.camera import CameraOptions, Shot, publish
from inspector.demo.scene import Position
from inspector.demo.score import GOOD, Book
from inspector.settings import BrokerSettings
from inspector.types import FrameMessage

_ENDS_WITHIN_S = 60.0
_ACKNOWLEDGED_WITHIN_S = 10.0


class Crew:
    """Cameras at work. `check` raises what ended one of them."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None

    def check(self) -> None:
        """Raises the error that ended a camera."""
        if self._failure is not None:
            raise self._failure

    def start(self, options: CameraOptions, on_frame: Callable[[FrameMessage, Shot], None]) -> None:
        """Puts one camera to work."""
        thread = threading.Thread(target=self._work, args=(options, on_frame), name=str(options.station), daemon=True)
        self._threads.append(thread)
        thread.start()

    def finish(self) -> None:
        """No frame more; returns when the broker has acknowledged all."""
        self.stop.set()
        for thread in self._threads:
            thread.join(_ENDS_WITHIN_S)

    def _work(self, options: CameraOptions, on_frame: Callable[[FrameMessage, Shot], None]) -> None:
        try:
            publish(options, stop=self.stop, on_frame=on_frame)
        except BaseException as error:  # noqa: BLE001 (told by the thread that asks)
            self._failure = error


@contextmanager
def crew_at_work(
    positions: Sequence[Position], book: Book, *, broker: BrokerSettings, fps: float, defect_rate: float, seed: int
) -> Iterator[Crew]:
    """A camera at each position, until the end of the block."""
    crew = Crew()

    def note(message: FrameMessage, shot: Shot) -> None:
        book.sent(message.frame_id, shot.truth or GOOD, time.monotonic())

    try:
        for number, position in enumerate(positions):
            options = CameraOptions(
                source=f"synthetic:{position.product}",
                station=position.station,
                broker=broker,
                fps=fps,
                seed=seed + 1000 + number,
                defect_rate=defect_rate,
                ack_timeout_s=_ACKNOWLEDGED_WITHIN_S,
            )
            crew.start(options, note)
        yield crew
    finally:
        crew.finish()
