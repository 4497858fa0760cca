"""The machine: its clock, its disk."""

import ctypes
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from inspector.doctor.finding import Finding, fail, ok, warn
from inspector.settings import Settings

_UNSYNCHRONISED = 5
_WRITES = 20
_SLOW_S, _TOO_SLOW_S = 0.010, 0.100
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 5e9, 500e6


def clock(settings: Settings) -> Iterator[Finding]:
    """Whether somebody keeps it, and in which zone shifts begin."""
    state = _clock_state()
    if state == _UNSYNCHRONISED:
        yield warn(
            "clock",
            "nobody keeps this machine's clock",
            expected="one time server for cameras and daemon",
            do="set up chrony or systemd-timesyncd, on the machine itself where this is a container",
        )
    elif state is not None:
        yield ok("clock", "kept by a time server")
    now = datetime.now(settings.review.zone)
    if settings.review.enabled and settings.review.time_zone is None and now.tzname() == "UTC":
        yield warn(
            "time zone",
            "shifts begin by UTC",
            expected="the plant's own time",
            do="set review.time_zone, as in Europe/Berlin; a container has UTC unless told otherwise",
        )
    else:
        yield ok("time zone", f"{settings.review.time_zone or now.tzname()}, now {now:%z}")


def _clock_state() -> int | None:
    """What the kernel says; None where it does not tell."""
    try:
        adjust = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = int(adjust(ctypes.create_string_buffer(512)))
    return None if state < 0 else state


def disk(settings: Settings) -> Iterator[Finding]:
    """Room, and how long it takes until something is really written: every verdict waits for that.

    Where data_dir is not there yet, the folder is looked at in which it will be made.
    """
    folder = nearest(settings.data_dir)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield fail(
            "disk",
            f"data_dir {settings.data_dir}: {folder} is no folder that this user can write to",
            expected="one",
            do="make data_dir and give it to the daemon's user, or correct the path",
        )
        return
    usage = shutil.disk_usage(folder)
    room = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.0f} GB at {settings.data_dir}"
    if folder != settings.data_dir:
        room += ", which will be made at the first start"
    todo = "make room; df -h, du -x -d1 -h"
    if usage.free < _TOO_LITTLE_BYTES:
        yield fail("disk", room, expected=f"at least {_TOO_LITTLE_BYTES / 1e9:.1f} GB", do=todo)
    elif usage.free < _LITTLE_BYTES:
        yield warn("disk", room, expected=f"at least {_LITTLE_BYTES / 1e9:.0f} GB", do=todo)
    else:
        yield ok("disk", room)
    times = _write_times(folder)
    middle, worst = statistics.median(times), max(times)
    told = f"{middle * 1e3:.1f} ms, {worst * 1e3:.1f} ms at most, until a write is durable"
    todo = "put data_dir on an SSD, away from network file systems"
    if middle > _TOO_SLOW_S:
        yield fail("disk speed", told, expected=f"less than {_TOO_SLOW_S * 1e3:.0f} ms", do=todo)
    elif middle > _SLOW_S:
        yield warn("disk speed", told, expected=f"less than {_SLOW_S * 1e3:.0f} ms", do=todo)
    else:
        yield ok("disk speed", told)


def nearest(folder: Path) -> Path:
    """The folder itself, or the first around it that is there: in which it will be made."""
    return next(there for there in (folder, *folder.parents) if there.exists())


def _write_times(folder: Path) -> list[float]:
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_WRITES):
            begin = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begin)
    return times
