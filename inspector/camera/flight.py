"""Frames on their way to the broker, and which of them ends the connection each time that it is sent.

A broker that takes no packet as large as a frame may say so only by closing the connection; what was not acknowledged
is sent again, and the frame would stand before all others for ever. So after a connection that was lost with frames on
their way, those go one by one. No clock, no network.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from inspector.camera.source import Answer
from inspector.types import FrameMessage

STRIKES = 3
"""So many connections in a row that ended while one frame was alone on its way speak against the frame."""


@dataclass(slots=True, eq=False)
class Sending:
    """A frame that the broker has not answered to. mid: its number in the present connection, once it was sent there.
    told: called once with what became of it.
    """

    message: FrameMessage
    content_type: str
    told: Callable[[Answer], None]
    mid: int | None = None


class Flight:
    """All that are on their way, oldest first."""

    def __init__(self) -> None:
        self._frames: deque[Sending] = deque()
        self._doubted = 0
        self._strikes = 0

    @property
    def one_by_one(self) -> bool:
        """Whether the next frame goes alone."""
        return self._doubted > 0

    @property
    def sent(self) -> int:
        """How many were sent over the present connection, and not answered."""
        return sum(frame.mid is not None for frame in self._frames)

    def add(self, frame: Sending) -> None:
        """One more, behind all others."""
        self._frames.append(frame)

    def due(self) -> Sending | None:
        """The next to send now; its `mid` is to be set then."""
        if self.one_by_one:
            return self._frames[0] if self._frames[0].mid is None else None
        return next((frame for frame in self._frames if frame.mid is None), None)

    def answered(self, mid: int) -> Sending | None:
        """The frame that the broker answered to; None where there is none, as after a repeated answer."""
        frame = next((frame for frame in self._frames if frame.mid == mid), None)
        if frame is not None:
            self.leave(frame)
        return frame

    def lost(self, strikes: int) -> Sending | None:
        """The connection has ended. strikes: what that says against a frame that was alone on its way.

        Returns:
            The frame that ended it, and those before, which is no longer on its way.
        """
        first = self._frames[0] if self._frames else None
        alone = self.one_by_one and first is not None and first.mid is not None
        self._strikes = self._strikes + strikes if alone and strikes else 0
        for frame in self._frames:
            frame.mid = None
        # What waits behind the first was not sent when it was alone, and is no more in doubt than before.
        self._doubted = self._doubted if alone else len(self._frames)
        if first is None or self._strikes < STRIKES:
            return None
        self.leave(first)
        return first

    def broker_away(self) -> None:
        """The broker was not there at once after a connection ended: so it was not the frame that ended it."""
        self._strikes = 0

    def leave(self, frame: Sending) -> None:
        """It is on its way no longer."""
        self._frames.remove(frame)
        self._doubted = max(0, self._doubted - 1)
        self._strikes = 0
