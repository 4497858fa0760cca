"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is half done is removed first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class _Ended(BaseException):
    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def tidy() -> Iterator[None]:
    """Within the block a signal raises; then the process ends by it, as whoever sent it expects. A second one is not
    waited for. Commands that handle signals themselves, and nohup, which ignores one, are left alone.
    """
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, _end)
    try:
        yield
    except _Ended as ended:
        signal.raise_signal(ended.number)
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise _Ended(number)
