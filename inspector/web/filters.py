"""The filter of the queue as it stands in a URL: every view can be bookmarked and sent to a colleague."""

from collections.abc import Iterator
from datetime import datetime, time, tzinfo
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from inspector.errors import UsageError
from inspector.settings import ReviewSettings
from inspector.store import QueueFilter, ShiftHours

Text = Annotated[Annotated[str, Field(max_length=260)] | None, BeforeValidator(lambda value: value or None)]
Score = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | None,
    BeforeValidator(lambda value: None if value == "" else value),
]
Decision = Annotated[Literal["ok", "ng", "uncertain"] | None, BeforeValidator(lambda value: value or None)]
Said = Annotated[Literal["defect", "false_alarm", "unsure"] | None, BeforeValidator(lambda value: value or None)]


class QueueQuery(BaseModel):
    """What a URL may ask of the queue. Times without an offset are the plant's own."""

    model_config = ConfigDict(frozen=True)

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

    def text(self, **changes: str | None) -> str:
        """The query string that asks for this, defaults left out, with changes."""
        return urlencode(dict(self._said(self.model_dump() | changes)))

    @property
    def asked(self) -> int:
        """How many terms narrow the queue."""
        return sum(name not in ("order", "state") for name, _ in self._said(self.model_dump()))

    def _said(self, values: dict[str, object]) -> Iterator[tuple[str, object]]:
        for name, value in values.items():
            if value is not None and (name not in QueueQuery.model_fields or value != _default(name)):
                yield name, value


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


def _default(name: str) -> object:
    return QueueQuery.model_fields[name].default


_EARLIEST, _LATEST = 1970, 9000
"""Years of times in addresses."""


def plant_time(name: str, text: str | None, zone: tzinfo) -> datetime | None:
    """A time of a URL; without an offset, by the plant's clock.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{name}: got {text!r}, expected a time as in 2026-03-01T06:00") from error
    if not _EARLIEST <= moment.year <= _LATEST:
        raise UsageError(f"{name}: got {text!r}, expected a year from {_EARLIEST} to {_LATEST}")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
