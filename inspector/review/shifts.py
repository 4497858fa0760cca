"""Production shifts as spans of time, by the plant's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Span:
    """One shift on one day, [begin, end) in UTC, cut off where the asked time begins or ends.

    day: the local date on which the shift begins, which a night shift keeps after midnight. whole: how much of the
    shift is inside, 0..1.
    """

    shift: str
    day: date
    begin: datetime
    end: datetime
    whole: float = 1.0


def spans(
    since: datetime, until: datetime, shifts: Mapping[str, str], zone: tzinfo | None, *, only: str | None = None
) -> tuple[Span, ...]:
    """The shifts between two aware moments, in order; with `only`, those of that name.

    shifts: the local time at which each begins, `HH:MM`; each lasts until the next begins. zone: None is the
    machine's own. On the two days on which clocks change a shift is an hour longer or shorter.
    """
    starts = sorted((time.fromisoformat(begins), name) for name, begins in shifts.items())
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    day, last = since.astimezone(zone).date() - timedelta(days=1), until.astimezone(zone).date()
    begun = []
    while day <= last + timedelta(days=1):
        begun += [(_moment(day, at, zone), name, day) for at, name in starts]
        day += timedelta(days=1)
    found = []
    for (begin, name, day), (end, _, _) in pairwise(begun):
        inside = min(until, end) - max(since, begin)
        if inside > timedelta(0) and only in (None, name):
            found.append(Span(name, day, max(since, begin), min(until, end), inside / (end - begin)))
    return tuple(found)


def shift_at(moment: datetime, shifts: Mapping[str, str], zone: tzinfo | None) -> str:
    """The name of the shift at an aware moment. shifts, zone: as of `spans`."""
    return spans(moment, moment + timedelta(microseconds=1), shifts, zone)[0].shift


def _moment(day: date, at: time, zone: tzinfo | None) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
