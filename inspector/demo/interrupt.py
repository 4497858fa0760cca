"""Ctrl-C, SIGTERM and SIGHUP as one wish to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from inspector.signalled import set_by_signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """Before `waits` is set, a signal raises KeyboardInterrupt at once; after that the first is only noted.

    A second one raises, for those who will not wait for an orderly end.
    """

    def __init__(self) -> None:
        self.waits = False
        self._seen = threading.Event()

    def seen(self, timeout_s: float) -> bool:
        """Whether a signal has come; waits for one so long."""
        return self._seen.wait(timeout_s)

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of the signals."""
        if self._seen.is_set() or not self.waits:
            raise KeyboardInterrupt
        set_by_signal(self._seen)


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Handles the signals until the end of the block. Main thread only."""
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt.handle) for number in _SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
