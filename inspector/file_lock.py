"""A lock on a file, which the kernel lets go when its process ends, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.errors import StoreError


@contextmanager
def file_lock(path: Path, what: str, refusal: str) -> Iterator[None]:
    """A lock that ends with the process. what, refusal: what is said where another one holds it.

    Raises:
        StoreError: the file cannot be made or locked, or another process holds the lock.
    """
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror}, expected a folder to write to") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{what}: {refusal}") from error
        except OSError as error:
            raise StoreError(f"{what}: {error.strerror}, expected a folder whose files can be locked") from error
        yield
    finally:
        os.close(lock)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of `file_lock` at `path`. Nobody else can take it for a moment meanwhile.

    Raises:
        OSError: the file is there, and cannot be read.
    """
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
