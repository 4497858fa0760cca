"""Events that signals set."""

import threading


def set_by_signal(event: threading.Event) -> None:
    """For handlers of signals: sets the event a moment later, in another thread.

    A handler runs in the midst of what its thread does. Where that is a look at the event, or the beginning of a wait
    for it, `Event.set` in the handler would wait for a lock that its own thread holds, and the process would hang.
    """
    threading.Thread(target=event.set, name="signal", daemon=True).start()
