"""Work that one process does at a time, by a lock that the kernel lets go when it ends; how a page starts such work."""

import fcntl
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspector.errors import SamplesError
from inspector.file_lock import is_locked

_PATIENCE_S = 1.0
_START_S = 60.0
"""On a box whose cores inspect meanwhile, the imports alone can take a quarter of a minute."""
_GONE_WITHIN_S = 5.0


@contextmanager
def alone(lock: Path, busy: str) -> Iterator[None]:
    """Within the block this process is the one that works. Whether one does: `inspector.file_lock.is_locked`.

    Raises:
        SamplesError: another one does; `busy` says so. Or the folder of the lock cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SamplesError(
            f"{lock.parent}: cannot be written ({error.strerror}); make room, or make it writable for the service"
        ) from error
    try:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                # Whoever only looks holds the lock for a moment.
                if time.monotonic() > end:
                    raise SamplesError(busy) from error
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def is_busy(lock: Path, has_ended: Callable[[], bool]) -> bool:
    """Whether no other may begin. Who has told its end is waited for: its process is there a moment longer."""
    end = time.monotonic() + _GONE_WITHIN_S
    while is_locked(lock):
        if not has_ended() or time.monotonic() > end:
            return True
        time.sleep(0.05)
    return False


def start(work: Callable[..., None], arguments: tuple[Any, ...], begun: Callable[[], bool]) -> int | None:
    """Begins it in a process, and returns when it has begun or has ended. What it ended with, if it has.

    The process is ended by SIGTERM when this one ends in order, and goes on when this one is killed.
    """
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments, daemon=True)
    process.start()
    end = time.monotonic() + _START_S
    while not begun() and process.exitcode is None and time.monotonic() < end:
        time.sleep(0.05)
    return process.exitcode
