"""Threads that do not end unseen."""

import threading
from collections.abc import Callable


def guarded(name: str, work: Callable[[], None], on_fault: Callable[[Exception], None]) -> threading.Thread:
    """A thread for that work, to be started; it ends with the process at the latest. on_fault: called in the thread
    with the exception that ended the work.
    """

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 (the edge of a thread: told to whoever began it)
            on_fault(error)

    return threading.Thread(target=run, name=name, daemon=True)
