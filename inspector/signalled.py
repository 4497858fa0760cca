"""Events that signals set."""

import _thread
import threading


def set_by_signal(event: threading.Event) -> None:
    """For handlers of signals: sets the event a moment later, in another thread.

    A handler runs in the midst of what its thread does. Where that is a look at the event, or the beginning of a wait
    for it, `Event.set` in the handler would wait for a lock that its own thread holds, and the process would hang. So
    would `Thread.start`, where that thread is starting one: the call below it takes no lock.
    """
    _thread.start_new_thread(event.set, ())
