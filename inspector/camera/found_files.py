"""What is known of the files in a watched folder, from one look to the next. No clock, and no file is touched."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from inspector.camera.look import FileState
from inspector.camera.source import PictureIdentity

SETTLED_S = 0.5
"""How long a file must not have changed before it is read."""

_MOST_HIDDEN = 100_000
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


class Stage(Enum):
    """How far a file is. TAKEN: the broker has it, and it still lies in the folder. GIVEN_UP: it cannot be sent."""

    WAITING = "waiting"
    SENT = "sent"
    TAKEN = "taken"
    GIVEN_UP = "given up"


@dataclass(slots=True, eq=False)
class FoundFile:
    """A file as it is now; written anew it is another one.

    place: its path within the folder. look: the number of the look that saw it first. since: when that was. due: when
    something may be done with it; both in monotonic seconds. identity: from when it was first sent.
    """

    place: str
    state: FileState
    look: int
    since: float
    due: float
    stage: Stage = Stage.WAITING
    identity: PictureIdentity | None = None

    @property
    def order(self) -> tuple[int, int, bytes]:
        """Those seen earlier came earlier; in one look, those written earlier."""
        return self.look, self.state.mtime_ns, os.fsencode(self.place)

    def identify(self, image: bytes, seq: int) -> PictureIdentity:
        """What this picture is: the same after a restart, and another once the file is written again."""
        try:
            captured_at = _1970 + timedelta(microseconds=self.state.mtime_ns // 1000)
        except OverflowError:
            captured_at = None
        when = "undated" if captured_at is None else f"{captured_at:%Y%m%dT%H%M%S.%f}"
        digest = hashlib.sha256(os.fsencode(self.place) + b"\0" + image).hexdigest()
        return PictureIdentity(f"{when}-{digest[:16]}", seq, captured_at)


class FoundFiles:
    """The files that the last look saw; and those on their way or published that are out of sight, as when a share goes
    away and comes back.
    """

    def __init__(self) -> None:
        self._known: dict[str, FoundFile] = {}
        self._looks = 0

    def seen(self, pictures: Mapping[str, FileState], now: float) -> None:
        """Takes note of what a look saw."""
        self._looks += 1
        before = self._known
        hidden = [
            each for each in before.values() if each.stage in (Stage.SENT, Stage.TAKEN) and each.place not in pictures
        ]
        self._known = {each.place: each for each in hidden[-_MOST_HIDDEN:]}
        for place, state in pictures.items():
            known = before.get(place)
            if known is None or known.state != state:
                known = FoundFile(place, state, self._looks, since=now, due=now + SETTLED_S)
            self._known[place] = known

    def ready(self, now: float) -> list[FoundFile]:
        """What may be read, in the order it came."""
        waiting = (each for each in self._known.values() if each.stage is Stage.WAITING and each.due <= now)
        return sorted(waiting, key=lambda each: each.order)

    def taken(self, now: float) -> list[FoundFile]:
        """What the broker has, and may be taken out of the folder."""
        return [each for each in self._known.values() if each.stage is Stage.TAKEN and each.due <= now]

    def forget(self, file: FoundFile) -> None:
        """It left the folder, or was written anew."""
        if self._known.get(file.place) is file:
            del self._known[file.place]
