"""What is missing between the sequence numbers of one station."""

_MOST_MISSING = 1_000_000
"""More than these are no gap: the camera counts from somewhere else, or does not count."""


class SequenceGaps:
    """Counts the frames that are missing between the sequence numbers of one station.

    A camera has begun anew where it says 0 or 1, or two rising numbers below the last one. A single lower number is a
    frame that it sends again. Who sends check parts beside it may count for himself: their numbers only ever go on from
    its own.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._below: int | None = None

    def missing_before(self, seq: int, *, again: bool = False, check: bool = False) -> int:
        """How many numbers were left out before this one. again: the broker delivers the frame again. check: it is that
        of a check part.
        """
        last, below = self._last, self._below
        if (again and last is not None and seq <= last) or (check and (last is None or seq <= last)):
            return 0
        if last is None or seq > last:
            before = last
        elif seq <= 1:
            before = None
        elif below is not None and seq > below:
            before = below
        else:
            self._below = seq
            return 0
        self._last, self._below = seq, None
        missing = 0 if before is None else seq - before - 1
        return missing if missing <= _MOST_MISSING else 0
