"""What ends the daemon, and how signals do."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Stop = SimpleQueue[str | BaseException]
"""Anything put here ends the daemon: a word, or the exception that ended a thread."""


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """_SIGNALS end the daemon in order. Unlike other queues, this one may be put to from a signal handler.

    Whoever started it with SIGHUP ignored, as nohup does, wants it to outlive the terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    wanted = [number for number in _SIGNALS if not (number is signal.SIGHUP and outlives)]
    before = {number: signal.signal(number, lambda got, _: stop.put(signal.Signals(got).name)) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
