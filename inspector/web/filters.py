"""The filter of the queue, as it stands in the address of a page."""

from datetime import time
from typing import Annotated, Literal

from pydantic import Field

from inspector.errors import UsageError
from inspector.settings import ReviewSettings
from inspector.store import QueueFilter, ShiftHours
from inspector.web.address import EMPTY_AS_NONE, AddressQuery, Score, Text, plant_time

Decision = Annotated[Literal["ok", "ng", "uncertain"] | None, EMPTY_AS_NONE]
Said = Annotated[Literal["defect", "false_alarm", "unsure"] | None, EMPTY_AS_NONE]


class QueueQuery(AddressQuery):
    """What a URL may ask of the queue. Times without an offset are the plant's own."""

    station: Text = Field(default=None, description="site/area/line/station")
    since: Text = Field(default=None, description="arrived at or after, ISO 8601")
    until: Text = Field(default=None, description="arrived before, ISO 8601")
    shift: Text = Field(default=None, description="name of a shift in the settings")
    lot: Text = None
    part: Text = Field(default=None, description="part id")
    score_min: Score = None
    score_max: Score = None
    decision: Decision = None
    disposition: Said = None
    defect_type: Text = None
    reviewer: Text = None
    bank: Text = Field(default=None, description="id or digest")
    order: Literal["worst", "newest"] = "worst"
    state: Literal["open", "done", "all"] = "open"

    def filter(self, review: ReviewSettings) -> QueueFilter:
        """As the store takes it.

        Raises:
            UsageError: a time that is none, or a shift that the settings do not know.
        """
        return QueueFilter(
            station=self.station,
            since=plant_time("since", self.since, review.zone),
            until=plant_time("until", self.until, review.zone),
            shift=None if self.shift is None else shift_hours(review, self.shift),
            lot=self.lot,
            part=self.part,
            score_min=self.score_min,
            score_max=self.score_max,
            decision=self.decision,
            disposition=self.disposition,
            defect_type=self.defect_type,
            reviewer=self.reviewer,
            bank=self.bank,
            order=self.order,
            state=self.state,
        )

    @property
    def asked(self) -> int:
        """How many terms narrow the queue."""
        return len(self.given().keys() - {"order", "state"})


def shift_hours(review: ReviewSettings, name: str) -> ShiftHours:
    """When a shift begins and ends: with the next one.

    Raises:
        UsageError: the settings do not know it.
    """
    if name not in review.shifts:
        raise UsageError(f"shift: got {name!r}, expected one of {', '.join(review.shifts)}")
    begins = sorted(review.shifts.values())
    begin = review.shifts[name]
    end = begins[(begins.index(begin) + 1) % len(begins)]
    return ShiftHours(time.fromisoformat(begin), time.fromisoformat(end), review.zone)
