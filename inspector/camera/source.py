"""Where frames come from. A source is opened by name and gives encoded pictures, one after the other.

./frames            every image below the folder, in the order of their paths, bytes as they are; `watch.py` has those
                    that a camera goes on writing there
part.png            one image
clip.mp4            a video file
rtsp://host/stream  a network stream: always its newest picture
0, /dev/video0      a camera of this machine: always its newest picture
synthetic[:PRODUCT] the drawn product, without end
"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

from inspector.errors import InspectorError, UsageError
from inspector.folder import CONTENT_TYPES, FOREIGN, foreign

_MAX_PART_ID = 128
_WHO_ASKS = re.compile("(?<=://)[^/]*@")


class SourceError(UsageError):
    """The source does not exist or cannot be opened, or there is no image in it."""


class SourceLostError(InspectorError):
    """A stream or device that delivered frames does so no longer."""


class Answer(Enum):
    """What became of a frame: the broker has it, threw it away as nobody subscribes, will not have it now, or never."""

    TAKEN = "taken"
    UNHEARD = "unheard"
    REFUSED = "refused"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class PictureIdentity:
    """What a picture is, each time that it is shown.

    name: unique for the station, and the same after a restart. seq: its number in this run. captured_at: None where
    that is unknown. again: it was shown before in this run.
    """

    name: str
    seq: int
    captured_at: datetime | None
    again: bool = False


def _unasked(_answer: Answer) -> None:
    return


@dataclass(frozen=True, slots=True)
class Shot:
    """One encoded picture. truth: `good` or the kind of defect, where the source knows.

    lost: how many pictures before this one could not be read. overtaken: how many a newer one took the place of,
    because nobody asked for them. identity: None where each showing is a frame of its own. on_answer: told what became
    of the frame, from any thread.
    """

    image: bytes
    content_type: str
    part_id: str | None = None
    truth: str | None = None
    lost: int = 0
    overtaken: int = 0
    identity: PictureIdentity | None = None
    on_answer: Callable[[Answer], None] = _unasked


class Source(AbstractContextManager["Source"], Protocol):
    """Pictures, one pass at a time. `fps`: its own rate, or None where it has none."""

    @property
    def fps(self) -> float | None:
        """The rate that the source itself runs at."""
        ...

    def shots(self) -> Iterator[Shot]:
        """One pass over the pictures; a second call begins anew where the source can."""
        ...


def open_source(
    name: str,
    *,
    run: str = "",
    seed: int | None = None,
    defect_rate: float = 0.1,
    size_wh: tuple[int, int] | None = None,
    stop: threading.Event | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Source:
    """The source of that name, not yet entered.

    run: a word that makes the part ids of drawn parts unique. seed, defect_rate: for the drawn product. size_wh:
    pixels that a device is asked for. stop: once it is set, a stream or device is not waited for any more. on_notice: a
    line worth telling a person.

    Raises:
        SourceError: there is no such file or folder, no image in the folder, or the name means nothing.
        UsageError: no such synthetic product.
    """
    if name == "synthetic" or name.startswith("synthetic:"):
        from inspector.camera.drawn import DrawnSource

        return DrawnSource(name.partition(":")[2] or "plate", run=run, seed=seed, defect_rate=defect_rate)
    if "://" in name or is_device(name):
        from inspector.camera.live import LiveSource

        return LiveSource(name, size_wh=size_wh, stop=stop, on_notice=on_notice)
    from inspector.camera.pictures import FolderSource

    path = Path(name)
    if path.is_dir():
        return FolderSource.of(path, on_notice)
    if not path.exists():
        raise SourceError(
            f"source {name!r}: no such file or folder; expected a folder of images, an image, a video, "
            "a stream (rtsp://...), a device number, or synthetic[:PRODUCT]"
        )
    if path.suffix.lower() in CONTENT_TYPES:
        return FolderSource(path.parent, path, on_notice)
    if path.suffix.lower() in FOREIGN:
        raise SourceError(f"source {name!r}: a format that is not read: {foreign(path)}")
    from inspector.camera.video import FileSource

    return FileSource(path, on_notice)


def is_device(name: str) -> bool:
    """Whether it names a camera of this machine."""
    return name.isdigit() or name.startswith("/dev/")


def without_password(name: str) -> str:
    """A source's name as messages show it, which end up in logs: of an address, what tells who asks is left out."""
    return _WHO_ASKS.sub("***@", name, count=1)


def part_id_of(place: str) -> str:
    """The part id of a picture, from its path within the folder: no longer than a message carries."""
    return printable(place)[-_MAX_PART_ID:]


def printable(name: str) -> str:
    """Names of files may be bytes that are no text, and hold what no message may."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
