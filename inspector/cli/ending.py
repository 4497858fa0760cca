"""How commands end. SIGTERM and SIGHUP end one as Ctrl-C does: what is half done is removed first."""

import logging
import os
import signal
import sys
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


def leave() -> None:
    """Ends the process with 0 where a thread was left behind that ends with it. The interpreter takes itself apart
    around such a thread, and where that is opening a bank, OpenVINO ends the process by SIGABRT.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _end(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise _Ended(number)
