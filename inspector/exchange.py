"""Two folders change places in one step, so that neither name is ever missing."""

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

_libc = ctypes.CDLL(None, use_errno=True)


def exchange(first: Path, second: Path) -> None:
    """Exchange what two names stand for. Both must exist, on one file system.

    Raises:
        OSError: one is missing, or the file system cannot do it (ext4, XFS, Btrfs and tmpfs can, NFS cannot).
    """
    try:
        renameat2 = _libc.renameat2
    except AttributeError as error:
        raise OSError(errno.ENOSYS, "this system cannot exchange two folders in one step") from error
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:
            raise OSError(number, "this file system cannot exchange two folders; keep banks on ext4, XFS or Btrfs")
        raise OSError(number, os.strerror(number), str(first), None, str(second))
