"""Threads that do not end unseen."""

import threading

from inspector.guarded import guarded


def test_what_ends_a_thread_is_told_in_it() -> None:
    told: list[tuple[str, str]] = []

    def fail() -> None:
        raise RuntimeError("a bug")

    thread = guarded("worker", fail, lambda error: told.append((threading.current_thread().name, str(error))))
    thread.start()
    thread.join()
    assert told == [("worker", "a bug")]


def test_work_that_ends_tells_nothing() -> None:
    told: list[Exception] = []
    thread = guarded("worker", lambda: None, told.append)
    thread.start()
    thread.join()
    assert told == []
