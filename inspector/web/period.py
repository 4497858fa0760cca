"""Which time, shift and station the figures are of, as it stands in the address of a page."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import Field

from inspector.errors import UsageError
from inspector.review.shifts import Span, spans
from inspector.settings import ReviewSettings
from inspector.web.address import AddressQuery, Text, plant_time

DEFAULT = timedelta(days=7)
LONGEST = timedelta(days=92)

RANGES = (("24 hours", 1), ("7 days", 7), ("30 days", 30), ("92 days", 92))
"""Ends that are now; what they are called, and days."""


class PeriodQuery(AddressQuery):
    """What a URL may ask for. Times without an offset are the plant's own."""

    station: Text = Field(default=None, description="site/area/line/station; all when not given")
    since: Text = Field(default=None, description="ISO 8601; so many days before the end when not given")
    until: Text = Field(default=None, description="ISO 8601; now when not given")
    days: int = Field(default=DEFAULT.days, ge=1, le=LONGEST.days, description="how long, when `since` is not given")
    shift: Text = Field(default=None, description="name of a shift in the settings; all when not given")

    def period(self, review: ReviewSettings, now: datetime) -> "Period":
        """As the figures take it.

        Raises:
            UsageError: a time that is none, an end before its beginning, too long, or a shift that there is not.
        """
        until = plant_time("until", self.until, review.zone) or now
        since = plant_time("since", self.since, review.zone) or until - timedelta(days=self.days)
        if not since < until:
            raise UsageError(f"since: got {self.since}, expected a time before the end, {until:%Y-%m-%dT%H:%M}")
        if until - since > LONGEST + timedelta(hours=2):
            raise UsageError(f"since: got {(until - since).days} days, expected at most {LONGEST.days}")
        if self.shift is not None and self.shift not in review.shifts:
            raise UsageError(f"shift: got {self.shift!r}, expected one of {', '.join(review.shifts)}")
        found = spans(since, until, review.shifts, review.zone, only=self.shift)
        return Period(since.astimezone(UTC), until.astimezone(UTC), found)


@dataclass(frozen=True, slots=True)
class Period:
    """[since, until) in UTC, and the shifts in it that are asked for."""

    since: datetime
    until: datetime
    spans: tuple[Span, ...]
