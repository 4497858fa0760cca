"""What the address of a page asks for: every view can be bookmarked and sent to a colleague."""

from datetime import datetime, tzinfo
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from inspector.errors import UsageError

MOST_SCORE = 1e12
"""Far above any score. A drawing of much larger ones, or what is reckoned with them, would be infinite."""

EMPTY_AS_NONE = BeforeValidator(lambda value: None if value == "" else value)
"""A form sends the fields too that nobody filled in."""

Text = Annotated[Annotated[str, Field(max_length=260)] | None, EMPTY_AS_NONE]
Score = Annotated[Annotated[float, Field(ge=0, le=MOST_SCORE, allow_inf_nan=False)] | None, EMPTY_AS_NONE]

_EARLIEST, _LATEST = 1970, 9000
"""Years of times in addresses."""


class AddressQuery(BaseModel):
    """A query string. Every field has a default, which asks for nothing and is left out of the address."""

    model_config = ConfigDict(frozen=True)

    def given(self, **changes: object) -> dict[str, Any]:
        """What is asked for with these changes, without what a default says anyway."""
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        asked = self.model_dump() | changes
        return {name: value for name, value in asked.items() if value not in (None, defaults.get(name))}

    def text(self, **changes: object) -> str:
        """The query string that asks for this, with changes."""
        return urlencode(self.given(**changes))


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
